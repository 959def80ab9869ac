//! A stream's filter state: texts, and objects that the module destroys.

use std::collections::HashMap;
use std::ffi::c_void;

/// The life span that a stream hands on to the stream of an internal redirect.
const OF_REQUEST: u32 = 1;

pub(crate) type Destructor = unsafe extern "C" fn(*mut c_void);

/// A stream's filter state.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    pub(crate) texts: HashMap<Vec<u8>, Vec<u8>>,
    objects: HashMap<Vec<u8>, Object>,
}

/// An object of the module, which Envoy owns.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) start: *mut c_void,
    pub(crate) destructor: Destructor,
    pub(crate) life_span: u32,
}

// SAFETY: Envoy's filter state goes with its stream, and a stream stays on its worker.
unsafe impl Send for Object {}

impl Objects {
    /// Stores an object. Returns the one that it replaces.
    pub(crate) fn insert(&mut self, name: Vec<u8>, object: Object) -> Option<Object> {
        self.objects.insert(name, object)
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<*mut c_void> {
        self.objects.get(name).map(|object| object.start)
    }

    /// Takes what the stream of an internal redirect inherits, and all other objects.
    pub(crate) fn split(self) -> (Self, Vec<Object>) {
        let (kept, ended): (HashMap<_, _>, HashMap<_, _>) =
            self.objects.into_iter().partition(|(_, object)| object.life_span >= OF_REQUEST);
        let inherited = Self { texts: HashMap::new(), objects: kept };
        (inherited, ended.into_values().collect())
    }

    pub(crate) fn into_all(self) -> Vec<Object> {
        self.objects.into_values().collect()
    }
}

impl Object {
    /// Destroys the object. Call it without the world's lock.
    pub(crate) fn destroy(self) {
        // SAFETY: the module passed both together, and an object is destroyed once.
        unsafe { (self.destructor)(self.start) };
    }
}
