//! Files: what they are called and what they are, before anybody is shown one.
//!
//! Owns: `names`, what a client's name for a file becomes; `sniff`, what its bytes are whatever is
//! claimed of them; `policy`, whether it is taken; `archive`, what is in it; `images`, what is
//! private in a picture and the small picture of it; `scan`, whether a scanner finds anything;
//! `inspect`, all of that in one.
//!
//! Never: takes a name from outside for a path; what it writes goes where it is told.

mod archive;
mod images;
pub mod inspect;
pub mod names;
pub mod policy;
mod pool;
#[cfg(test)]
mod samples;
pub mod scan;
pub mod sniff;
