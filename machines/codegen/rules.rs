//! The Rust of a machine, second half: the trait that a person implements, and `step` as one `match` without a
//! wildcard, so that rustc proves once more that every cell is there.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Ident;

use super::model::{Machine, Move, Row, SAME, Says, State, Target, Timer};
use super::rust::{doc, has_dated, option, pascal, pattern, plain};

/// Choices, the trait, `step`, `timer`, and the table as data.
pub fn tokens(machine: &Machine) -> [TokenStream; 5] {
    let choices = machine.choices.iter().map(|choice| {
        let answers = choice.answers.iter().map(|answer| (answer, ""));
        plain(&choice.name, &choice.doc, answers)
    });
    [
        choices.collect(),
        rules(machine),
        step(machine),
        timer(machine),
        graph(machine),
    ]
}

fn method(name: &str) -> Ident {
    format_ident!("{name}")
}

fn rules(machine: &Machine) -> TokenStream {
    let generation = has_dated(machine).then(|| {
        quote! {
            /// The generation that a worker's report or a timer has to name.
            fn generation(&self) -> u64;
        }
    });
    let begins = machine
        .effects
        .iter()
        .any(|effect| effect.step.is_some())
        .then(|| {
            quote! {
                /// A step of this phase begins; called for each effect that begins one, in order.
                fn begin_step(&mut self, phase: &'static str);
            }
        });
    let stops = machine.effects.iter().any(|effect| effect.stops).then(|| {
        quote! {
            /// The live step ends; called for each effect that ends it, in order.
            fn stop_step(&mut self);
        }
    });
    let updates = machine.updates.iter().map(|update| {
        let (doc, name) = (doc(&update.doc), method(&update.name));
        quote!(#doc fn #name(&mut self, event: &Event, now: crate::core::time::Time);)
    });
    let choices = machine.choices.iter().map(|choice| {
        let (doc, name, answer) = (doc(&choice.doc), method(&choice.name), pascal(&choice.name));
        quote!(#doc fn #name(&self, now: crate::core::time::Time) -> #answer;)
    });
    let mut timers: Vec<&Timer> = Vec::new();
    for timer in &machine.timers {
        if timers.iter().all(|other| other.due != timer.due) {
            timers.push(timer);
        }
    }
    let dues = timers.into_iter().map(|timer| {
        let (doc, due) = (
            doc(&format!("When `{}` is due.", timer.fires)),
            method(&timer.due),
        );
        quote!(#doc fn #due(&self) -> Option<crate::core::time::Time>;)
    });
    quote! {
        /// The hand-written half: bookkeeping on the facts, and the decisions that a row names.
        pub trait Rules: Clone {
            #generation
            #begins
            #stops
            #(#updates)*
            #(#choices)*
            #(#dues)*
        }
    }
}

fn step(machine: &Machine) -> TokenStream {
    let stale = has_dated(machine).then(|| {
        quote! {
            if event.generation().is_some_and(|reported| reported != facts.generation()) {
                return Outcome::Ignored(crate::core::machine::STALE_GENERATION);
            }
        }
    });
    let arms = machine.rows.iter().map(|row| {
        let cells = cells(machine, row);
        match &row.says {
            Says::Move(way) => {
                let body = moves(machine, way);
                quote!(#cells => { #body })
            }
            Says::Refuse(because) => quote!(#cells => Outcome::Refused(#because),),
            Says::Ignore(because) => quote!(#cells => Outcome::Ignored(#because),),
        }
    });
    quote! {
        /// What an event does to an entity in `state` with `facts`.
        /// Total, and a function of its arguments alone.
        pub fn step<F: Rules>(
            state: State,
            facts: &F,
            event: &Event,
            now: crate::core::time::Time,
        ) -> crate::core::machine::Outcome<State, F, Effect> {
            use crate::core::machine::Outcome;
            #stale
            match (state, event) { #(#arms)* }
        }
    }
}

/// The pattern of a row: its states and its events, each as one or-pattern.
fn cells(machine: &Machine, row: &Row) -> TokenStream {
    let states = machine
        .members(&row.states)
        .into_iter()
        .map(|state| pascal(&state.name));
    let events = row
        .on
        .iter()
        .filter_map(|name| machine.event(name))
        .map(pattern);
    quote!((#(State::#states)|*, #(#events)|*))
}

fn moves(machine: &Machine, way: &Move) -> TokenStream {
    let record = updates(&way.record);
    let arrivals: Vec<_> = way.targets.iter().map(|to| arrival(machine, to)).collect();
    let quiet = record.is_empty() && arrivals.iter().all(|(changes, _)| changes.is_empty());
    let mutable = (!quiet).then(|| quote!(mut));
    let rest = match &way.choose {
        None => arrivals
            .into_iter()
            .map(|(changes, moved)| quote!(#changes #moved))
            .collect(),
        Some(choice) => {
            let (decide, answers) = (method(choice), pascal(choice));
            let arms = way
                .targets
                .iter()
                .zip(arrivals)
                .map(|(to, (changes, moved))| {
                    let answer = to.answer.as_deref().map(pascal);
                    quote!(#answers::#answer => { #changes #moved })
                });
            quote!(match next.#decide(now) { #(#arms)* })
        }
    };
    quote!(let #mutable next = facts.clone(); #record #rest)
}

fn updates(names: &[String]) -> TokenStream {
    let names = names.iter().map(|name| method(name));
    quote!(#(next.#names(event, now);)*)
}

/// What one target changes in the facts, and the move itself.
fn arrival(machine: &Machine, target: &Target) -> (TokenStream, TokenStream) {
    let mut changes = updates(&target.update);
    for name in &target.effects {
        for effect in machine.effects.iter().filter(|effect| effect.name == *name) {
            changes.extend(effect.stops.then(|| quote!(next.stop_step();)));
            changes.extend(
                effect
                    .step
                    .iter()
                    .map(|phase| quote!(next.begin_step(#phase);)),
            );
        }
    }
    let name = pascal(&target.state);
    let to = if target.state == SAME {
        quote!(state)
    } else {
        quote!(State::#name)
    };
    let answer = option(&target.answer);
    let effects: Vec<_> = target.effects.iter().map(|name| pascal(name)).collect();
    let effects = match effects.is_empty() {
        true => quote!(Vec::new()),
        false => quote!(vec![#(Effect::#effects),*]),
    };
    (
        changes,
        quote!(Outcome::moved(state, #to, #answer, next, #effects)),
    )
}

fn timer(machine: &Machine) -> TokenStream {
    if machine.timers.is_empty() {
        return TokenStream::new();
    }
    let runs_in = |timer: &Timer, state: &State| {
        machine
            .members(&timer.states)
            .iter()
            .any(|member| member.name == state.name)
    };
    let arms = machine.states.iter().map(|state| {
        let timers = machine.timers.iter().filter(|timer| runs_in(timer, state));
        let waits: Vec<_> = timers
            .map(|timer| {
                let (due, fires) = (method(&timer.due), pascal(&timer.fires));
                quote!(facts.#due().map(|at| (at, Event::#fires { generation: facts.generation() })))
            })
            .collect();
        let next = match waits.as_slice() {
            [] => quote!(None),
            [only] => quote!(#only),
            several => quote!([#(#several),*].into_iter().flatten().min_by_key(|(at, _)| *at)),
        };
        let name = pascal(&state.name);
        quote!(State::#name => #next,)
    });
    quote! {
        /// The next stored wait that ends, and the event that it fires.
        pub fn timer<F: Rules>(
            state: State,
            facts: &F,
        ) -> Option<(crate::core::time::Time, Event)> {
            match state { #(#arms)* }
        }
    }
}

fn graph(machine: &Machine) -> TokenStream {
    let edges = machine.edges();
    let edges = edges.iter().map(|edge| {
        let (from, event) = (pascal(&edge.from.name), pascal(&edge.event.name));
        let (answer, to) = (option(&edge.target.answer), pascal(edge.to));
        quote!(Edge {
            from: State::#from, event: EventName::#event, answer: #answer, to: State::#to
        })
    });
    let rows = machine.states.iter().map(|state| {
        let cells = machine
            .events
            .iter()
            .flat_map(|event| machine.cell(state, event));
        let cells = cells.map(|says| match says {
            Says::Move(way) => {
                let to = way.destinations(state).into_iter().map(pascal);
                quote!(Cell::Moves(&[#(State::#to),*]))
            }
            Says::Refuse(because) => quote!(Cell::Refused(#because)),
            Says::Ignore(because) => quote!(Cell::Ignored(#because)),
        });
        quote!([#(#cells),*])
    });
    let size = [machine.states.len(), machine.events.len()];
    let [states, events] = size.map(proc_macro2::Literal::usize_unsuffixed);
    quote! {
        /// One declared way from a state to a state.
        pub type Edge = crate::core::machine::Edge<State, EventName>;

        /// What the table says about one (state, event).
        pub type Cell = crate::core::machine::Cell<State>;

        /// Every declared edge: by state, then event, then answer.
        pub const EDGES: &[Edge] = &[#(#edges),*];

        /// The whole matrix: a row for each state, a column for each event.
        pub const CELLS: [[Cell; #events]; #states] = [#(#rows),*];

        /// What the table says about `event` in `state`.
        pub fn cell(state: State, event: EventName) -> Cell {
            CELLS[state as usize][event as usize]
        }
    }
}
