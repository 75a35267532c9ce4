//! The composition root of a node.

use crate::config::Loaded;

/// Serves until it is told to stop. `demo` prints links to open.
pub fn run(_loaded: Loaded, _demo: bool) -> Result<(), std::io::Error> {
    Err(std::io::Error::from(std::io::ErrorKind::Unsupported))
}
