//! The one table of WebSocket close codes. The `reconnect` column tells a client what to do; the
//! number's range says nothing.

macro_rules! close_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $reconnect:literal, $reason:literal;)*) => {
        /// Why the server closes a socket. Each is documented in docs/PROTOCOL.md.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum CloseCode { $($(#[$doc])* $name,)* }

        impl CloseCode {
            /// Every code, in table order.
            pub const ALL: &'static [CloseCode] = &[$(CloseCode::$name,)*];

            /// The number on the wire.
            pub const fn number(self) -> u16 {
                match self { $(CloseCode::$name => $code,)* }
            }

            /// Whether a client should connect again by itself.
            pub const fn reconnect(self) -> bool {
                match self { $(CloseCode::$name => $reconnect,)* }
            }

            /// The reason text when nothing more specific is known; at most 123 bytes.
            pub const fn reason(self) -> &'static str {
                match self { $(CloseCode::$name => $reason,)* }
            }
        }
    };
}

close_codes! {
    /// Both sides are done.
    Normal = 1000, false, "";
    /// The server goes away for good.
    GoingAway = 1001, true, "server is going away";
    /// The peer broke RFC 6455.
    ProtocolError = 1002, false, "websocket protocol error";
    /// A kind of frame this socket does not take.
    UnsupportedFrame = 1003, false, "this socket takes no such frame";
    /// A text frame that is not UTF-8.
    InvalidUtf8 = 1007, false, "text is not utf-8";
    /// The rules of sending files were broken again.
    PolicyViolation = 1008, false, "more was sent than there was credit for";
    /// A message beyond every limit, or endless fragments.
    TooBig = 1009, false, "message too big";
    /// Our side broke.
    Internal = 1011, true, "internal error";
    /// The node drains; the reason carries `retry_after_ms`.
    Restart = 1012, true, "server restarts";
    /// The path or query cannot be understood.
    BadPath = 4000, false, "bad request path";
    /// No valid token in time, or it expired; the reason says which.
    Unauthenticated = 4001, false, "authentication required";
    /// The role may not use this socket.
    RoleNotAllowed = 4002, false, "role not allowed";
    /// Not allowed here.
    Forbidden = 4003, false, "not allowed";
    /// Nothing was heard for too long.
    Idle = 4008, true, "idle";
    /// A newer connection took this one's place.
    Replaced = 4009, false, "replaced by a newer connection";
    /// The peer read nothing for too long; resume continues where it stopped.
    NoWriteProgress = 4010, true, "peer reads too slowly";
    /// Too many requests or connections.
    RateLimited = 4029, true, "too many requests";
    /// No such room, or not one of the caller's.
    UnknownRoom = 4404, false, "unknown room";
}
