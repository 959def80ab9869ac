//! The API key, prompts and answers never leak.

use crate::ask::{KEY, all_of, client, question, settings};
use crate::recorded::{Log, metrics};
use crate::reply::{Reply, event, saying, start};
use crate::service::Service;
use claude::{Client, Settings, describe_metrics};
use std::fmt::Write;

#[tokio::test]
async fn neither_key_nor_content_is_in_logs_metrics_errors_or_debug() {
    let (recorder, metrics) = metrics();
    let _recording = metrics::set_default_local_recorder(&recorder);
    describe_metrics();
    let log = Log::start();
    let garbage = Reply::new(200, &[], "garbage instead of the answer itself");
    let replies = [
        Reply::text("This is the answer itself."),
        Reply::error(529, "overloaded_error", &[("retry-after-ms", "1")]),
        Reply::stream(&saying("This is the answer itself.")),
        Reply::stream(&[start(), event("content_block_delta")]),
        garbage,
        Reply::hang_up(),
        Reply::error(401, "authentication_error", &[]),
    ];
    let service = Service::start(replies).await;
    let client = client(&service);

    let mut shown = format!("{client:?} {:?}", settings(&service));
    client.send(&question()).await.unwrap();
    for _ in 0..2 {
        let stream = client.stream(&question()).await.unwrap();
        write!(shown, "{stream:?}").unwrap();
        for error in all_of(stream).await.into_iter().filter_map(Result::err) {
            write!(shown, "{error} {error:?}").unwrap();
        }
    }
    for _ in 0..3 {
        let error = client.send(&question()).await.unwrap_err();
        write!(shown, "{error} {error:?}").unwrap();
    }
    write!(shown, "{:?}", client.health()).unwrap();
    let elsewhere = Settings::new("http://127.0.0.1:1".parse().unwrap(), KEY.parse().unwrap());
    let elsewhere = Client::new(Settings { max_retries: 0, ..elsewhere }).unwrap();
    let error = elsewhere.send(&question()).await.unwrap_err();
    write!(shown, "{error} {error:?}").unwrap();

    assert!(service.received()[0].head.contains(KEY), "the key is sent");
    assert!(log.text().contains("claude answered") && log.text().contains("req_1"));
    for secret in [KEY, "the question itself", "the answer itself"] {
        for (place, text) in [("shown", &shown), ("log", &log.text()), ("metrics", &metrics.all())]
        {
            assert!(!text.contains(secret), "{secret} in {place}: {text}");
        }
    }
}
