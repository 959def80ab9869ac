//! Envoy's side of a filter's configuration: metrics, and waking the main thread.

use super::imports;
use super::types::{Buffer, Envoy};
use limits::gate::MetricKind;
use std::ffi::c_void;
use std::marker::PhantomData;

/// The configuration of the hook that is running, on Envoy's main thread.
pub(crate) struct Configuration<'hook> {
    envoy: Envoy,
    hook: PhantomData<&'hook mut ()>,
}

/// A metric that has been defined.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metric {
    kind: MetricKind,
    id: usize,
}

impl Configuration<'_> {
    /// Wraps Envoy's pointer.
    ///
    /// # Safety
    /// `envoy` must be the pointer that Envoy passed to the running hook, and the result must not
    /// outlive the hook.
    pub(super) const unsafe fn of(envoy: Envoy) -> Self {
        Self { envoy, hook: PhantomData }
    }

    /// Defines a metric. Only possible while the filter is being configured.
    pub(crate) fn define(
        &mut self,
        kind: MetricKind,
        name: &str,
        labels: &[&str],
    ) -> Option<Metric> {
        let define = match kind {
            MetricKind::Counter => {
                imports::envoy_dynamic_module_callback_http_filter_config_define_counter
            }
            MetricKind::Gauge => {
                imports::envoy_dynamic_module_callback_http_filter_config_define_gauge
            }
            MetricKind::Histogram => {
                imports::envoy_dynamic_module_callback_http_filter_config_define_histogram
            }
        };
        let labels: Vec<Buffer> = labels.iter().map(|label| Buffer::of(label.as_bytes())).collect();
        let mut id = 0;
        // SAFETY: Envoy copies the names during the call, and writes only the id.
        let result = unsafe {
            define(
                self.envoy,
                Buffer::of(name.as_bytes()),
                labels.as_ptr(),
                labels.len(),
                &raw mut id,
            )
        };
        (result == 0).then_some(Metric { kind, id })
    }

    /// Adds to a metric. `labels`: a value for each label that it was defined with.
    pub(crate) fn add(&mut self, metric: Metric, labels: &[&str], amount: i64) -> bool {
        let add = match metric.kind {
            MetricKind::Counter => {
                imports::envoy_dynamic_module_callback_http_filter_config_increment_counter
            }
            MetricKind::Gauge if amount < 0 => {
                imports::envoy_dynamic_module_callback_http_filter_config_decrement_gauge
            }
            MetricKind::Gauge => {
                imports::envoy_dynamic_module_callback_http_filter_config_increment_gauge
            }
            MetricKind::Histogram => {
                imports::envoy_dynamic_module_callback_http_filter_config_record_histogram_value
            }
        };
        let labels: Vec<Buffer> = labels.iter().map(|label| Buffer::of(label.as_bytes())).collect();
        // SAFETY: Envoy copies the labels during the call.
        let result = unsafe {
            add(self.envoy, metric.id, labels.as_ptr(), labels.len(), amount.unsigned_abs())
        };
        result == 0
    }

    /// Creates a waker of this configuration, for other threads.
    pub(crate) fn waker(&self) -> MainWaker {
        // SAFETY: the configuration exists while its hook runs. The waker deletes the scheduler.
        MainWaker(unsafe {
            imports::envoy_dynamic_module_callback_http_filter_config_scheduler_new(self.envoy)
        })
    }
}

/// Wakes Envoy's main thread: Envoy then calls the configuration's `scheduled` hook there.
pub(crate) struct MainWaker(*mut c_void);

// SAFETY: Envoy's scheduler can be used and deleted by any thread.
unsafe impl Send for MainWaker {}
// SAFETY: as above; `wake` needs no exclusive access.
unsafe impl Sync for MainWaker {}

impl MainWaker {
    /// Wakes the main thread. Does nothing once the configuration has been destroyed.
    pub(crate) fn wake(&self) {
        // SAFETY: the scheduler exists until `self` is dropped.
        unsafe {
            imports::envoy_dynamic_module_callback_http_filter_config_scheduler_commit(self.0, 0);
        }
    }
}

impl Drop for MainWaker {
    fn drop(&mut self) {
        // SAFETY: nobody else deletes the scheduler.
        unsafe {
            imports::envoy_dynamic_module_callback_http_filter_config_scheduler_delete(self.0)
        }
    }
}
