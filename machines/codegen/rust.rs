//! The Rust of a machine: types, the trait that a person implements, and `step` as one `match` without a wildcard,
//! so that rustc proves once more that every cell is there. Only for tables that `check` has found sound.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Ident;

use super::model::{Answered, Cell, Machine, Source, Target, Transition};

/// The whole file: readable, in table order.
pub fn render(machine: &Machine) -> String {
    let parts = [
        constants(machine),
        state(machine),
        event(machine),
        effect(machine),
        choices(machine),
        rules(machine),
        step(machine),
        timer(machine),
        graph(machine),
    ];
    let file = syn::parse2(parts.into_iter().collect())
        .expect("the generated Rust parses: its names were checked");
    let name = &machine.head.name;
    format!(
        "// Generated from machines/{name}.toml by machines/build.rs; do not edit.\n\n{}",
        prettyplease::unparse(&file)
            .replace("\n}\n", "\n}\n\n")
            .replace("\n];\n", "\n];\n\n")
    )
}

/// `agent_done` -> `AgentDone`.
pub fn pascal(name: &str) -> Ident {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    format_ident!("{}", name.split('_').map(word).collect::<String>())
}

fn method(name: &str) -> Ident {
    format_ident!("{name}")
}

fn doc(text: &str) -> TokenStream {
    let lines = text.trim().lines().map(|line| format!(" {}", line.trim()));
    quote!(#(#[doc = #lines])*)
}

fn has_workers(machine: &Machine) -> bool {
    machine
        .events
        .iter()
        .any(|event| event.from == Source::Worker)
}

fn constants(machine: &Machine) -> TokenStream {
    let version = machine.head.version;
    let file = |end: &str| format!("/{}.{end}", machine.head.name);
    let (sql, markdown, mermaid) = (file("sql"), file("md"), file("mmd"));
    quote! {
        /// The version of the table; the journal keeps it beside each row.
        pub const VERSION: u32 = #version;
        /// Lookup tables and guards; run after the migrations, in one transaction, at each start.
        pub const SQL: &str = include_str!(concat!(env!("OUT_DIR"), #sql));
        /// The whole table as a page.
        pub const MARKDOWN: &str = include_str!(concat!(env!("OUT_DIR"), #markdown));
        /// The diagram alone.
        pub const MERMAID: &str = include_str!(concat!(env!("OUT_DIR"), #mermaid));
    }
}

/// A fieldless enum with `ALL`, `as_str` and `Display`.
fn plain(name: &Ident, about: &str, items: &[(&str, &str)]) -> TokenStream {
    let about = doc(about);
    let variants: Vec<_> = items.iter().map(|(item, _)| pascal(item)).collect();
    let docs = items.iter().map(|(_, text)| doc(text));
    let texts = items.iter().map(|(item, _)| item);
    quote! {
        #about
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum #name { #(#docs #variants),* }

        impl #name {
            /// Every one, in table order.
            pub const ALL: &'static [#name] = &[#(#name::#variants),*];

            /// The name in the table, in JSON and in SQL.
            pub fn as_str(self) -> &'static str {
                match self { #(#name::#variants => #texts),* }
            }
        }

        impl std::fmt::Display for #name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    }
}

/// A [`plain`] enum that can be parsed.
fn named(name: &Ident, what: &str, about: &str, items: &[(&str, &str)]) -> TokenStream {
    let plain = plain(name, about, items);
    quote! {
        #plain

        impl std::str::FromStr for #name {
            type Err = crate::core::machine::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let known = Self::ALL.iter().copied();
                known.clone().find(|item| item.as_str() == text).ok_or_else(|| {
                    crate::core::machine::UnknownName::new(#what, text, known.map(Self::as_str))
                })
            }
        }
    }
}

fn state(machine: &Machine) -> TokenStream {
    let items: Vec<_> = machine
        .states
        .iter()
        .map(|s| (s.name.as_str(), s.doc.as_str()))
        .collect();
    let types = named(&format_ident!("State"), "state", &machine.head.doc, &items);
    let initial = pascal(&machine.head.initial);
    let variants: Vec<_> = machine.states.iter().map(|s| pascal(&s.name)).collect();
    let kinds = machine.states.iter().map(|s| pascal(&s.kind.name()));
    let docs = machine.states.iter().map(|s| s.doc.trim());
    let needs = machine
        .states
        .iter()
        .map(|s| &s.needs)
        .map(|needs| quote!(&[#(#needs),*]));
    quote! {
        #types

        impl State {
            /// Where every one begins.
            pub const INITIAL: State = State::#initial;

            /// What the state means to slots, SQL and colours.
            pub fn kind(self) -> crate::core::machine::Kind {
                use crate::core::machine::Kind;
                match self { #(State::#variants => Kind::#kinds),* }
            }

            /// What the table says about the state.
            pub fn doc(self) -> &'static str {
                match self { #(State::#variants => #docs),* }
            }

            /// The facts (columns) that cannot be absent in the state.
            pub fn needs(self) -> &'static [&'static str] {
                match self { #(State::#variants => #needs),* }
            }
        }
    }
}

fn event(machine: &Machine) -> TokenStream {
    let items: Vec<_> = machine
        .events
        .iter()
        .map(|e| (e.name.as_str(), e.doc.as_str()))
        .collect();
    let names = named(
        &format_ident!("EventName"),
        "event",
        "An event without its data.",
        &items,
    );
    let variants: Vec<_> = machine.events.iter().map(|e| pascal(&e.name)).collect();
    let sources = machine.events.iter().map(|e| pascal(&e.from.name()));
    let docs = machine.events.iter().map(|e| doc(&e.doc));
    let bodies = machine.events.iter().map(|event| {
        let generation = (event.from == Source::Worker)
            .then(|| quote!(#[doc = " The generation that the report is about."] generation: u64,));
        let fields = event.data.iter().map(|(field, kind)| {
            let (field, kind) = (
                method(field),
                syn::parse_str::<syn::Type>(kind.as_str().unwrap_or_default()),
            );
            let kind = kind.expect("the type was checked");
            quote!(#field: #kind)
        });
        let fields = quote!(#generation #(#fields),*);
        if fields.is_empty() {
            fields
        } else {
            quote!({ #fields })
        }
    });
    let patterns: Vec<_> = machine
        .events
        .iter()
        .map(|e| event_pattern(machine, &e.name))
        .collect();
    let generation = has_workers(machine).then(|| {
        let (workers, others): (Vec<_>, Vec<_>) = machine
            .events
            .iter()
            .zip(&variants)
            .partition(|(e, _)| e.from == Source::Worker);
        let workers = workers.iter().map(|(_, variant)| variant);
        let others = others
            .iter()
            .map(|(e, _)| event_pattern(machine, &e.name))
            .collect::<Vec<_>>();
        let others = (!others.is_empty()).then(|| quote!(#(#others)|* => None,));
        quote! {
            /// The generation that a worker's report is about.
            pub fn generation(&self) -> Option<u64> {
                match self {
                    #(Event::#workers { generation, .. })|* => Some(*generation),
                    #others
                }
            }
        }
    });
    quote! {
        /// What can happen, with its data.
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(tag = "event", rename_all = "snake_case")]
        pub enum Event { #(#docs #variants #bodies),* }

        impl Event {
            /// The event without its data.
            pub fn name(&self) -> EventName {
                match self { #(#patterns => EventName::#variants),* }
            }

            /// Who may send it.
            pub fn source(&self) -> crate::core::machine::Source {
                self.name().source()
            }

            #generation
        }

        #names

        impl EventName {
            /// Who may send it.
            pub fn source(self) -> crate::core::machine::Source {
                use crate::core::machine::Source;
                match self { #(EventName::#variants => Source::#sources),* }
            }
        }
    }
}

fn event_pattern(machine: &Machine, name: &str) -> TokenStream {
    let variant = pascal(name);
    let bare = machine
        .event(name)
        .is_some_and(|e| e.data.is_empty() && e.from != Source::Worker);
    if bare {
        quote!(Event::#variant)
    } else {
        quote!(Event::#variant { .. })
    }
}

fn effect(machine: &Machine) -> TokenStream {
    let items: Vec<_> = machine
        .effects
        .iter()
        .map(|e| (e.name.as_str(), e.doc.as_str()))
        .collect();
    let about =
        "What the shell has to do after a move; its inputs are read from the stored entity.";
    let types = named(&format_ident!("Effect"), "effect", about, &items);
    let variants: Vec<_> = machine.effects.iter().map(|e| pascal(&e.name)).collect();
    let docs = machine.effects.iter().map(|e| e.doc.trim());
    let steps = machine.effects.iter().map(|e| match &e.step {
        Some(phase) => quote!(Some(#phase)),
        None => quote!(None),
    });
    let stops = machine.effects.iter().map(|e| e.stops);
    quote! {
        #types

        impl Effect {
            /// What the table says about the effect.
            pub fn doc(self) -> &'static str {
                match self { #(Effect::#variants => #docs),* }
            }

            /// The phase of the step that the effect begins.
            pub fn step(self) -> Option<&'static str> {
                match self { #(Effect::#variants => #steps),* }
            }

            /// Whether the effect ends the live step.
            pub fn stops(self) -> bool {
                match self { #(Effect::#variants => #stops),* }
            }
        }
    }
}

fn choices(machine: &Machine) -> TokenStream {
    let choice = |choice: &super::model::Choice| {
        let answers: Vec<_> = choice
            .answers
            .iter()
            .map(|answer| (answer.as_str(), ""))
            .collect();
        plain(&pascal(&choice.name), &choice.doc, &answers)
    };
    machine.choices.iter().map(choice).collect()
}

fn rules(machine: &Machine) -> TokenStream {
    let generation = has_workers(machine).then(|| {
        quote! {
            /// The generation that a worker's report has to name.
            fn generation(&self) -> u64;
        }
    });
    let begins = machine.effects.iter().any(|e| e.step.is_some()).then(|| {
        quote! {
            /// A step of this phase begins; called for each effect that begins one, in order.
            fn begin_step(&mut self, phase: &'static str);
        }
    });
    let stops = machine.effects.iter().any(|e| e.stops).then(|| {
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
    let mut dues: Vec<&str> = machine
        .timers
        .iter()
        .map(|timer| timer.due.as_str())
        .collect();
    dues.sort_unstable();
    dues.dedup();
    let dues = dues.into_iter().map(|due| {
        let fires = machine
            .timers
            .iter()
            .filter(|timer| timer.due == due)
            .map(|timer| timer.fires.as_str());
        let (doc, due) = (
            doc(&format!(
                "When `{}` is due.",
                fires.collect::<Vec<_>>().join("`, `")
            )),
            method(due),
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
    let stale = has_workers(machine).then(|| {
        quote! {
            if event.generation().is_some_and(|reported| reported != facts.generation()) {
                return Outcome::Ignored(crate::core::machine::STALE_GENERATION);
            }
        }
    });
    let moves = machine.transitions.iter().map(|row| {
        let pattern = cells(machine, &row.from, &row.on);
        let body = moves(machine, row);
        quote!(#pattern => { #body })
    });
    let answer = |rows: &[Answered], outcome: &str| {
        let outcome = format_ident!("{outcome}");
        let arm = |row: &Answered| {
            let (pattern, because) = (cells(machine, &row.states, &row.on), row.because.trim());
            quote!(#pattern => Outcome::#outcome(#because),)
        };
        rows.iter().map(arm).collect::<TokenStream>()
    };
    let (refusals, ignored) = (
        answer(&machine.refuse, "Refused"),
        answer(&machine.ignore, "Ignored"),
    );
    quote! {
        /// What an event does to an entity in `state` with `facts`. Total, and a function of its arguments alone.
        pub fn step<F: Rules>(
            state: State,
            facts: &F,
            event: &Event,
            now: crate::core::time::Time,
        ) -> crate::core::machine::Outcome<State, F, Effect> {
            use crate::core::machine::Outcome;
            #stale
            match (state, event) {
                #(#moves)*
                #refusals
                #ignored
            }
        }
    }
}

/// The pattern of a row: its states and its events, each as one or-pattern.
fn cells(machine: &Machine, states: &[String], on: &[String]) -> TokenStream {
    let states = machine
        .members(states)
        .into_iter()
        .map(|state| pascal(&state.name));
    let events = on.iter().map(|name| event_pattern(machine, name));
    quote!((#(State::#states)|*, #(#events)|*))
}

fn moves(machine: &Machine, row: &Transition) -> TokenStream {
    let record = row.record.iter().map(|name| method(name));
    let record: TokenStream = record.map(|name| quote!(next.#name(event, now);)).collect();
    let bodies: Vec<_> = row
        .targets
        .iter()
        .map(|target| arrival(machine, target))
        .collect();
    let changes = !record.is_empty() || bodies.iter().any(|(changes, _)| !changes.is_empty());
    let next = if changes {
        quote!(let mut next = facts.clone();)
    } else {
        quote!(let next = facts.clone();)
    };
    let Some(choice) = &row.choose else {
        let bodies = bodies
            .iter()
            .map(|(changes, moved)| quote!(#changes #moved));
        return quote!(#next #record #(#bodies)*);
    };
    let (decide, answers) = (method(choice), pascal(choice));
    let arms = row
        .targets
        .iter()
        .zip(&bodies)
        .map(|(target, (changes, moved))| {
            let answer = pascal(target.answer.as_deref().unwrap_or_default());
            quote!(#answers::#answer => { #changes #moved })
        });
    quote!(#next #record match next.#decide(now) { #(#arms)* })
}

/// What one target changes in the facts, and the move itself.
fn arrival(machine: &Machine, target: &Target) -> (TokenStream, TokenStream) {
    let updates = target.update.iter().map(|name| method(name));
    let mut changes: TokenStream = updates
        .map(|name| quote!(next.#name(event, now);))
        .collect();
    for name in &target.effects {
        let Some(effect) = machine.effects.iter().find(|effect| effect.name == *name) else {
            continue;
        };
        if effect.stops {
            changes.extend(quote!(next.stop_step();));
        }
        if let Some(phase) = &effect.step {
            changes.extend(quote!(next.begin_step(#phase);));
        }
    }
    let to = match target.state.as_str() {
        "same" => quote!(state),
        name => {
            let name = pascal(name);
            quote!(State::#name)
        }
    };
    let answer = match &target.answer {
        Some(answer) => quote!(Some(#answer)),
        None => quote!(None),
    };
    let effects = target.effects.iter().map(|name| pascal(name));
    let effects = if target.effects.is_empty() {
        quote!(Vec::new())
    } else {
        quote!(vec![#(Effect::#effects),*])
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
    let (waiting, others): (Vec<_>, Vec<_>) = machine.states.iter().partition(|state| {
        machine.timers.iter().any(|timer| {
            machine
                .members(&timer.states)
                .iter()
                .any(|s| s.name == state.name)
        })
    });
    let waiting = waiting.into_iter().map(|state| {
        let name = pascal(&state.name);
        let of = |timer: &&super::model::Timer| machine.members(&timer.states).iter().any(|s| s.name == state.name);
        let fires: Vec<_> = machine.timers.iter().filter(of).map(|timer| {
            let (due, fires) = (method(&timer.due), pascal(&timer.fires));
            quote!(facts.#due().map(|at| (at, Event::#fires)))
        }).collect();
        match fires.as_slice() {
            [only] => quote!(State::#name => #only,),
            many => quote!(State::#name => [#(#many),*].into_iter().flatten().min_by_key(|(at, _)| *at),),
        }
    });
    let others = others
        .into_iter()
        .map(|state| pascal(&state.name))
        .collect::<Vec<_>>();
    let others = (!others.is_empty()).then(|| quote!(#(State::#others)|* => None,));
    quote! {
        /// The next stored wait that ends, and the event that it fires.
        pub fn timer<F: Rules>(state: State, facts: &F) -> Option<(crate::core::time::Time, Event)> {
            match state {
                #(#waiting)*
                #others
            }
        }
    }
}

fn graph(machine: &Machine) -> TokenStream {
    let edges = machine.edges();
    let edges = edges.iter().map(|edge| {
        let (from, event, to) = (pascal(&edge.from.name), pascal(&edge.event.name), pascal(edge.to));
        let answer = match &edge.target.answer {
            Some(answer) => quote!(Some(#answer)),
            None => quote!(None),
        };
        quote!(Edge { from: State::#from, event: EventName::#event, answer: #answer, to: State::#to })
    });
    let rows = machine.states.iter().map(|state| {
        let cells = machine
            .events
            .iter()
            .map(|event| match machine.cell(state, event).first() {
                Some(Cell::Move(row)) => {
                    let mut to: Vec<_> = Vec::new();
                    for target in &row.targets {
                        let name = pascal(if target.state == "same" {
                            &state.name
                        } else {
                            &target.state
                        });
                        if !to.contains(&name) {
                            to.push(name);
                        }
                    }
                    quote!(Cell::Moves(&[#(State::#to),*]))
                }
                Some(Cell::Refuse(because)) => quote!(Cell::Refused(#because)),
                Some(Cell::Ignore(because)) => quote!(Cell::Ignored(#because)),
                None => quote!(),
            });
        quote!([#(#cells),*])
    });
    let (states, events) = (machine.states.len(), machine.events.len());
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
