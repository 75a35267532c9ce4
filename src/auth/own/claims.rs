//! What stands in our own tokens, as clients of the helpdesk read them.
//!
//! Invariants: what one kind writes no other reads: each names its `token_type`.
//! Never: looks at a signature or a clock.

use std::sync::Arc;

use frontdesk_protocol::{CompanyId, PersonId, Timestamp, UploadId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    ACCESS_TTL_S, AccessGrant, AccountRole, REFRESH_TTL_S, RefreshGrant, UploadGrant, VisitorGrant,
};
use crate::auth::AuthError;

/// Who signed it.
#[derive(Serialize, Deserialize)]
enum Issuer {
    #[serde(rename = "frontdesk")]
    Own,
}

macro_rules! token_type {
    ($name:ident, $word:literal) => {
        #[derive(Serialize, Deserialize)]
        enum $name {
            #[serde(rename = $word)]
            This,
        }
    };
}

token_type!(Access, "access");
token_type!(Refresh, "refresh");
token_type!(Visitor, "visitor");
token_type!(Upload, "upload");

#[derive(Serialize, Deserialize)]
pub(super) struct AccessClaims {
    iss: Issuer,
    token_type: Access,
    user_id: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    company_id: Option<CompanyId>,
    role: AccountRole,
    email: Arc<str>,
    full_name: Arc<str>,
    jti: Uuid,
    sid: Uuid,
    pub(super) iat: u64,
    pub(super) exp: u64,
}

impl AccessClaims {
    pub(super) fn new(grant: &AccessGrant, now: Timestamp) -> Self {
        let iat = now.0 / 1_000;
        Self {
            iss: Issuer::Own,
            token_type: Access::This,
            user_id: grant.account,
            company_id: grant.company.clone(),
            role: grant.role,
            email: grant.email.clone(),
            full_name: grant.name.clone(),
            jti: grant.token_id,
            sid: grant.family,
            iat,
            exp: iat.saturating_add(ACCESS_TTL_S),
        }
    }

    pub(super) fn grant(self) -> Result<AccessGrant, AuthError> {
        // Who runs the installation is in no company, and everybody else is in one.
        if (self.role == AccountRole::Superadmin) != self.company_id.is_none() {
            return Err(AuthError::Claim("company_id"));
        }
        Ok(AccessGrant {
            company: self.company_id,
            account: self.user_id,
            role: self.role,
            email: self.email,
            name: self.full_name,
            family: self.sid,
            token_id: self.jti,
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct RefreshClaims {
    iss: Issuer,
    token_type: Refresh,
    user_id: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    company_id: Option<CompanyId>,
    jti: Uuid,
    sid: Uuid,
    pub(super) iat: u64,
    pub(super) exp: u64,
}

impl RefreshClaims {
    pub(super) fn new(grant: &RefreshGrant, now: Timestamp) -> Self {
        let iat = now.0 / 1_000;
        Self {
            iss: Issuer::Own,
            token_type: Refresh::This,
            user_id: grant.account,
            company_id: grant.company.clone(),
            jti: grant.token_id,
            sid: grant.family,
            iat,
            exp: iat.saturating_add(REFRESH_TTL_S),
        }
    }

    pub(super) fn grant(self) -> RefreshGrant {
        RefreshGrant {
            company: self.company_id,
            account: self.user_id,
            family: self.sid,
            token_id: self.jti,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct VisitorClaims {
    iss: Issuer,
    token_type: Visitor,
    company_id: CompanyId,
    session_id: Arc<str>,
    person: PersonId,
    pub(super) iat: u64,
    pub(super) exp: u64,
}

impl VisitorClaims {
    pub(super) fn new(grant: &VisitorGrant, now: Timestamp) -> Self {
        let iat = now.0 / 1_000;
        Self {
            iss: Issuer::Own,
            token_type: Visitor::This,
            company_id: grant.company.clone(),
            session_id: grant.chat_id.clone(),
            person: grant.person.clone(),
            iat,
            exp: iat.saturating_add(grant.ttl_s),
        }
    }

    pub(super) fn grant(self) -> VisitorGrant {
        VisitorGrant {
            company: self.company_id,
            chat_id: self.session_id,
            person: self.person,
            ttl_s: self.exp.saturating_sub(self.iat),
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct UploadClaims {
    iss: Issuer,
    token_type: Upload,
    company_id: CompanyId,
    person: PersonId,
    upload: UploadId,
    pub(super) iat: u64,
    pub(super) exp: u64,
}

impl UploadClaims {
    pub(super) fn new(grant: &UploadGrant, now: Timestamp) -> Self {
        Self {
            iss: Issuer::Own,
            token_type: Upload::This,
            company_id: grant.company.clone(),
            person: grant.person.clone(),
            upload: grant.upload,
            iat: now.0 / 1_000,
            exp: grant.expires_at.0.div_ceil(1_000),
        }
    }

    pub(super) fn grant(self) -> UploadGrant {
        UploadGrant {
            company: self.company_id,
            person: self.person,
            upload: self.upload,
            expires_at: Timestamp(self.exp.saturating_mul(1_000)),
        }
    }
}
