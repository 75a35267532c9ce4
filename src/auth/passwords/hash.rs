//! A password's hash as it is kept: a text in the PHC format.
//!
//! Invariants: costs no more memory or passes to check than one that is made today, whoever wrote
//! it.
//! Never: shows the hash in `Debug`.

use std::fmt;

use argon2::password_hash::phc::{self, Output, ParamsString, Salt};
use argon2::{Algorithm, Params, Version};

pub(super) const ALGORITHM: Algorithm = Algorithm::Argon2id;
pub(super) const VERSION: Version = Version::V0x13;
/// Length of a hash, bytes.
pub(super) const OUTPUT_BYTES: usize = 32;
/// Length of a salt, bytes: as the PHC format recommends.
pub(super) const SALT_BYTES: usize = 16;

/// Memory of one hash, KiB.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over the memory.
const PASS_COUNT: u32 = 2;
/// Lanes, which could be filled by threads at once.
const LANE_COUNT: u32 = 1;

/// What a text is that is no hash of ours. Says nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an argon2id hash of a cost that is checked here")]
pub struct BadHash;

/// The hash of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    recipe: Recipe,
    output: Output,
}

/// What a hash is made with beside the password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Recipe {
    pub(super) salt: Salt,
    memory_kib: u32,
    pass_count: u32,
}

impl Recipe {
    /// Today's cost.
    pub(super) fn fresh(salt: [u8; SALT_BYTES]) -> Self {
        Self {
            salt: Salt::new(&salt).expect("the recommended length is allowed"),
            memory_kib: MEMORY_KIB,
            pass_count: PASS_COUNT,
        }
    }

    pub(super) fn params(&self) -> Params {
        Params::new(
            self.memory_kib,
            self.pass_count,
            LANE_COUNT,
            Some(OUTPUT_BYTES),
        )
        .expect("checked when the hash was read")
    }
}

impl PasswordHash {
    pub(super) fn new(recipe: Recipe, output: &[u8; OUTPUT_BYTES]) -> Self {
        let output = Output::new(output).expect("the length is allowed");
        Self { recipe, output }
    }

    pub(super) fn recipe(&self) -> Recipe {
        self.recipe.clone()
    }

    /// Compared in constant time.
    pub(super) fn is_made_of(&self, output: &[u8; OUTPUT_BYTES]) -> bool {
        Output::new(output).is_ok_and(|output| output == self.output)
    }

    /// Reads what [`PasswordHash::to_text`] wrote.
    pub fn parse(text: &str) -> Result<Self, BadHash> {
        let phc = phc::PasswordHash::new(text).map_err(|_| BadHash)?;
        let params = Params::try_from(&phc).map_err(|_| BadHash)?;
        let of_ours = phc.algorithm.as_str() == ALGORITHM.as_str()
            && phc.version == Some(VERSION.into())
            && params.m_cost() <= MEMORY_KIB
            && params.t_cost() <= PASS_COUNT
            && params.p_cost() == LANE_COUNT
            && params.keyid().is_empty()
            && params.data().is_empty();
        let (Some(salt), Some(output)) = (phc.salt, phc.hash) else {
            return Err(BadHash);
        };
        if !of_ours || output.len() != OUTPUT_BYTES {
            return Err(BadHash);
        }
        let recipe = Recipe {
            salt,
            memory_kib: params.m_cost(),
            pass_count: params.t_cost(),
        };
        Ok(Self { recipe, output })
    }

    /// The text to keep: `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`.
    pub fn to_text(&self) -> String {
        let params = ParamsString::try_from(&Params::clone(&self.recipe.params()));
        let phc = phc::PasswordHash {
            algorithm: ALGORITHM.ident(),
            version: Some(VERSION.into()),
            params: params.expect("three numbers fit"),
            salt: Some(self.recipe.salt),
            hash: Some(self.output),
        };
        phc.to_string()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(crate::config::MASK)
    }
}
