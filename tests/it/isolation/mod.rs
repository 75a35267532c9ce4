//! Isolation: whatever anybody sends, nothing of a company comes out of it, and within it nothing
//! that is not theirs.
//!
//! Owns: the walk over every route, socket, command and push by everybody who has no business
//! there. Tables say what is tried: `rows.rs` and `desk_rows.rs` for routes, `sockets.rs` for
//! sockets and their frames, `pushes.rs` for what is told unasked.
//! Invariants: a route, a socket or a command without a row fails; a word that stands in one place
//! only is found wherever it comes out, in a status, a header, a body, a frame or a close reason.
//! Never: takes a refusal on trust; what was attacked is read before and after.

mod aims;
mod desk_rows;
mod file_rows;
mod logs;
mod pushes;
mod routes;
mod row;
mod rows;
mod sockets;
mod watch;
mod world;

use crate::support::{Bus, in_both_buses};
use watch::{Watch, assert_unchanged, state_of};
use world::World;

in_both_buses!(nobody_reaches_what_is_not_theirs);

async fn nobody_reaches_what_is_not_theirs(bus: Bus) {
    let lines = logs::listen();
    let world = World::build(bus).await;
    let attackers = world.attackers().await;
    routes::proofs_count(&world, &attackers).await;
    let mut watch = Watch::begin(&world).await;
    let before = state_of(&world).await;
    let tried = routes::walk(&world, &attackers).await;
    assert_eq!(tried, routes::expected(&attackers));
    // The last routes end logins.
    let attackers = world.attackers().await;
    let dialled = sockets::walk(&world, &attackers).await;
    assert_eq!(dialled, sockets::expected(&attackers));
    watch.heard_nothing(&world).await;
    assert_unchanged(&before, &state_of(&world).await);
    let heard = pushes::walk(&world, &attackers).await;
    assert_eq!(heard, pushes::expected(&attackers));
    routes::metrics_name_nobody(&world).await;
    logs::tell_nothing(&lines, &world);
    let count = attackers.len();
    println!(
        "isolation: {} routes x {count} principals = {} requests, {} sockets x {count} = {} \
         handshakes, {} commands, {} frames, {} pushes x {} listeners",
        tried.routes,
        tried.requests,
        dialled.sockets,
        dialled.dials,
        dialled.commands,
        dialled.frames,
        heard.pushes,
        heard.listeners
    );
}
