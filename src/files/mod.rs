//! Files: what they are called and what they are, before anybody is shown one.
//!
//! Owns: `names`, what a client's name for a file becomes; `sniff`, what its bytes are whatever is
//! claimed of them; `policy`, whether it is taken; `store`, where the settings keep them.
//!
//! Never: takes a name from outside for a path.

pub mod names;
pub mod policy;
pub mod sniff;
pub mod store;
