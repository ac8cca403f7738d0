//! The queue of several runs as `store::queue_snapshot` reads it, out of nodes of the joint search.

use agent_loop::core::machine::Kind;
use agent_loop::core::run::WaitWhy;
use agent_loop::core::schedule::{NotBefore, Occupied, ProviderLimit, Queue, Wait, Waiting};
use agent_loop::core::time::Time;

use super::joint::Room;
use super::search::Node;

/// Whether the run holds a slot.
pub fn holds_slot(node: &Node) -> bool {
    node.alive || node.state.kind() == Kind::Active
}

/// As the store reads it: who waits, and who holds a slot. It is five o'clock; gates open before or after.
pub fn queue(nodes: &[&Node], order: &[usize], room: &Room) -> Queue {
    let mut queue = Queue::default();
    for (seq, run) in (1..).zip(order) {
        let node = nodes[*run];
        let (id, workspace) = (run.to_string(), room.workspaces[*run].to_owned());
        let provider = "agent".to_owned();
        if holds_slot(node) {
            queue.occupied.push(Occupied {
                id: id.clone(),
                workspace: workspace.clone(),
                provider: provider.clone(),
            });
        }
        if node.state.kind() != Kind::Waiting {
            continue;
        }
        let until = Time(if node.waited { 1 } else { 10 });
        if node.wait == Some(WaitWhy::Limit) {
            let provider = provider.clone();
            queue.limited.push(ProviderLimit { provider, until });
        }
        queue.waiting.push(Waiting {
            id,
            seq,
            priority: 0,
            workspace,
            provider,
            overtaken: 0,
            not_before: node.wait.map(|why| NotBefore {
                until,
                why: match why {
                    WaitWhy::Limit => Wait::Limit,
                    WaitWhy::Disk => Wait::Disk,
                    WaitWhy::ReadOnly => Wait::ReadOnly,
                },
                message: "it waits".to_owned(),
            }),
            after: Vec::new(),
            step_alive: node.alive,
        });
    }
    queue
}
