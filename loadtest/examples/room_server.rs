//! The in-memory server of the tests as a process of its own: what the load itself costs and can
//! do shows against a server that does next to nothing. Prints its address and runs until killed.

#[path = "../tests/it/room_server/mod.rs"]
mod room_server;

use clap::Parser;
use room_server::{Fault, RoomServer};

#[derive(Parser)]
struct Arguments {
    /// The one promise to break.
    #[arg(long, value_enum, default_value_t = Fault::None)]
    fault: Fault,
}

fn main() {
    let server = RoomServer::start(Arguments::parse().fault);
    println!("listening on http://{}", server.address);
    loop {
        std::thread::park();
    }
}
