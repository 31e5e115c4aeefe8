//! Binds the two ports and serves them.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

use crate::{
    admin,
    edge::Edge,
    options::Options,
    orders::Orders,
    world::{Shared, World},
};

/// A running sandbox; it stops when this is dropped.
pub struct Running {
    /// Address of the simulated services.
    pub listen: SocketAddr,
    /// Address of the admin server.
    pub admin: SocketAddr,
    /// The world behind both.
    pub shared: Shared,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// The line printed at start: `{"listen":"http://…","admin":"http://…"}`.
    pub fn announcement(&self) -> String {
        format!(
            r#"{{"listen":"http://{}","admin":"http://{}"}}"#,
            self.listen, self.admin
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Builds a world and serves it.
///
/// # Errors
/// When one of the two addresses cannot be bound, or an order for the start is refused.
pub async fn start(options: &Options) -> io::Result<Running> {
    let upstream = bind(&options.listen).await?;
    let admin_port = bind(&options.admin).await?;
    let (listen, admin) = (upstream.local_addr()?, admin_port.local_addr()?);
    let shared = World::shared(options);
    let edge = Edge::new(shared.clone());
    let router = admin::router(shared.clone());
    let orders = options.orders.as_deref().map(Orders::read).transpose()?;
    if let Some(orders) = &orders {
        orders.begin(&router).await?;
    }
    let going_on = orders.map(|orders| tokio::spawn(orders.go_on(router.clone())));
    let mut tasks = vec![
        tokio::spawn(serve_upstream(upstream, edge)),
        tokio::spawn(async move {
            if let Err(error) = axum::serve(admin_port, router).await {
                eprintln!("admin server stopped: {error}");
            }
        }),
    ];
    tasks.extend(going_on);
    Ok(Running {
        listen,
        admin,
        shared,
        tasks,
    })
}

/// Listens on an address. `[::]` takes IPv4 too, and stands for `0.0.0.0` on a host without IPv6.
async fn bind(address: &str) -> io::Result<TcpListener> {
    match (TcpListener::bind(address).await, address.parse::<SocketAddr>()) {
        (Err(_), Ok(all)) if all.ip() == Ipv6Addr::UNSPECIFIED => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, all.port())).await
        }
        (bound, _) => bound,
    }
}

/// Serves HTTP/1.1 directly on the connection: only so can a connection be closed without an answer.
async fn serve_upstream(listener: TcpListener, edge: Edge) {
    let edge = Arc::new(edge);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let edge = Arc::clone(&edge);
                    connections.spawn(async move {
                        let service = service_fn(move |request| {
                            let edge = Arc::clone(&edge);
                            async move { edge.exchange(request).await }
                        });
                        // The error is a peer that went away or a drop on purpose; both end this connection only.
                        let _ended = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
                    });
                }
                Err(error) => eprintln!("accept failed: {error}"),
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}
