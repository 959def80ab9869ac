//! Requests through the module's hooks, one event at a time.

use super::envoy::{alone, answer_to, filter, headers, request, request_to};
use super::ledger::{Ledger, admitted, denied};
use module_host::{Filter, Stream, assert_correct, assert_nothing_is_left};

const BREAKER: &str = "tollgate.breaker.open";

#[test]
fn a_request_waits_for_the_ledger() {
    alone(|| {
        let (filter, ledger) = filter();
        let stream = Stream::new(&filter, request());
        stream.request_headers();
        assert!(stream.is_paused());
        assert!(stream.run_scheduled(), "its worker wakes the module's thread");
        assert!(stream.is_paused(), "resumed before the reply");
        assert_eq!(ledger.reply(admitted), 1);
        assert!(stream.run_scheduled());
        assert!(stream.has_continued());
        stream.respond(headers(&[(":status", "200")]));
        let limit = (b"x-ratelimit-limit".to_vec(), b"5".to_vec());
        assert!(stream.response().contains(&limit), "{:?}", stream.response());
        stream.end();
        ledger.end(filter);
        assert_nothing_is_left();
    });
}

#[test]
fn a_denied_request_is_answered() {
    alone(|| {
        let (filter, ledger) = filter();
        for is_grpc in [false, true] {
            let mut request = request_to("/", if is_grpc { "b" } else { "a" });
            if is_grpc {
                request.headers.extend(headers(&[("content-type", "application/grpc")]));
            }
            let stream = Stream::new(&filter, request);
            stream.request_headers();
            ledger.reply(denied);
            stream.run_scheduled();
            assert_eq!(answer_to(&stream), if is_grpc { 200 } else { 429 });
            stream.end();
        }
        ledger.end(filter);
        assert_nothing_is_left();
    });
}

#[test]
fn a_client_that_leaves_is_not_woken() {
    alone(|| {
        let (filter, ledger) = filter();
        let stream = Stream::new(&filter, request());
        stream.request_headers();
        stream.end();
        ledger.reply(admitted);
        ledger.end(filter);
        assert_nothing_is_left();
    });
}

#[test]
fn a_client_that_leaves_once_it_is_woken_is_not_resumed() {
    alone(|| {
        let (filter, ledger) = filter();
        let stream = Stream::new(&filter, request());
        stream.request_headers();
        ledger.reply(admitted);
        stream.end();
        ledger.end(filter);
        assert_nothing_is_left();
    });
}

/// For example with a 504, when the route's timeout passes.
#[test]
fn a_paused_request_that_envoy_answers_is_not_released() {
    alone(|| {
        let (filter, ledger) = filter();
        for reply in [admitted, denied] {
            for is_early in [false, true] {
                let stream = Stream::new(&filter, request_to("/", &format!("{is_early}")));
                stream.request_headers();
                let answer = || stream.respond(headers(&[(":status", "504")]));
                if is_early {
                    answer();
                    ledger.reply(reply);
                } else {
                    ledger.reply(reply);
                    answer();
                }
                stream.run_scheduled();
                assert_correct();
                stream.end();
            }
        }
        ledger.end(filter);
        assert_nothing_is_left();
    });
}

/// Envoy calls the hooks of the response and of the end inside `continue_decoding`.
#[test]
fn an_upstream_that_fails_at_once_is_on_the_stack_of_the_hook() {
    alone(|| {
        let (filter, ledger) = filter();
        let mut request = request();
        request.fails_at_once = Some(headers(&[(":status", "503")]));
        let stream = Stream::new(&filter, request);
        stream.request_headers();
        ledger.reply(admitted);
        stream.run_scheduled();
        assert!(stream.response().len() > 1, "{:?}", stream.response());
        stream.end();
        ledger.end(filter);
        assert_nothing_is_left();
    });
}

#[test]
fn a_redirected_request_is_charged_once() {
    alone(|| {
        let (filter, ledger) = filter();
        let stream = Stream::new(&filter, request());
        stream.request_headers();
        ledger.reply(admitted);
        stream.run_scheduled();
        let mut again = request();
        again.headers.extend(headers(&[("x-envoy-original-url", "http://a/")]));
        let stream = stream.redirect(&filter, again);
        stream.request_headers();
        assert!(stream.has_continued());
        assert_eq!(stream.filter_state("tollgate").as_deref(), Some(b"redirected".as_slice()));
        stream.end();
        assert_eq!(ledger.reply(admitted), 0);
        ledger.end(filter);
        assert_nothing_is_left();
    });
}

#[test]
fn a_replaced_configuration_decides_what_it_has_paused() {
    alone(|| {
        let (old, old_ledger) = filter();
        let stream = Stream::new(&old, request());
        stream.request_headers();
        let (new, new_ledger) = filter();
        let closing = shuttle::thread::spawn(move || old.destroy());
        old_ledger.reply(admitted);
        closing.join().unwrap();
        stream.run_scheduled();
        assert!(stream.has_continued());
        stream.end();
        old_ledger.wait_until_over();
        new_ledger.end(new);
        assert_nothing_is_left();
    });
}

#[test]
fn a_refused_configuration_leaves_nothing() {
    alone(|| {
        for text in ["", "{}", "{\"ledger\":\"memory:\",\"policy\":{}}", "{\"ledger\":\"ftp://a\"}"]
        {
            assert!(Filter::configure(text.as_bytes()).is_none(), "{text}");
        }
        assert!(Ledger::take().is_none());
        assert_nothing_is_left();
    });
}

/// Opens the circuit breaker, and exports that.
fn open_breaker(filter: &Filter, ledger: &Ledger) {
    // More failures than it takes.
    for _ in 0..20 {
        let stream = Stream::new(filter, request());
        stream.request_headers();
        stream.run_scheduled();
        ledger.fail();
        stream.run_scheduled();
        stream.end();
    }
    export(filter, ledger);
    assert_eq!(module_host::metric(BREAKER), 1);
}

fn export(filter: &Filter, ledger: &Ledger) {
    assert!(!ledger.0.tick());
    filter.run_scheduled();
}

#[test]
fn a_new_configuration_takes_over_a_gauge() {
    alone(|| {
        let (old, old_ledger) = filter();
        open_breaker(&old, &old_ledger);
        let (new, new_ledger) = filter();
        old_ledger.end(old);
        export(&new, &new_ledger);
        assert_eq!(module_host::metric(BREAKER), 0);
        new_ledger.end(new);
        assert_nothing_is_left();
    });
}

#[test]
fn a_gauge_starts_at_0_if_there_was_no_configuration() {
    alone(|| {
        let (old, ledger) = filter();
        open_breaker(&old, &ledger);
        ledger.end(old);
        let (new, ledger) = filter();
        export(&new, &ledger);
        ledger.end(new);
        assert_nothing_is_left();
    });
}
