//! The whole path of a run, with real git, real SQLite and real processes: what a spec becomes, and what happens on the
//! way when checks fail, reviewers reject, people interfere and daemons die.

mod after_cleaning;
mod agents;
mod bare;
mod catching_up;
mod cleaning;
pub mod collecting;
mod completion;
mod contract;
mod cut_short;
mod door;
mod elsewhere;
mod ended;
mod engine;
mod files;
mod forge;
mod gits_own;
mod going_down;
mod handover;
mod handover_dying;
mod hooks;
mod hostile;
mod interference;
mod kept_back;
mod leftovers;
mod limits;
mod merging;
mod naming;
mod naming_asked;
mod naming_lives;
mod notify;
mod notify_lives;
mod once_more;
mod operator;
mod permission;
mod postmortem;
mod postmortem_beside;
mod postmortem_lives;
mod postmortem_trouble;
mod pull_request;
mod pull_request_refused;
mod queue;
mod restart;
mod review;
mod sessions;
mod sessions_of_others;
mod skills;
mod starting;
mod stopping;
mod strange_paths;
mod strays;
mod threshold;
mod told;
mod trouble;
mod trust;
mod verification;
mod watchdog;
mod without_end;
mod worktrunk;

/// One task.
const ONE_TASK: &str = "# Plan\n\n- [ ] first thing\n";
/// Two of them.
const TWO_TASKS: &str = "# Plan\n\n- [ ] first thing\n- [ ] second thing\n";
