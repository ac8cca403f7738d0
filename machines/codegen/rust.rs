//! The Rust of a machine, first half: the file and its types. What decides is in `rules`.
//! Only for tables that `check` has found sound; paths are absolute, so that the including module imports nothing
//! but the types of the events' data.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Ident;

use super::model::{Event, Machine, Source};
use super::rules;

/// The whole file: readable, in table order.
pub fn render(machine: &Machine) -> String {
    let types = [
        constants(machine),
        state(machine),
        event(machine),
        effect(machine),
    ];
    let tokens = types.into_iter().chain(rules::tokens(machine)).collect();
    let file = syn::parse2(tokens).expect("every name was checked, so that this is Rust");
    let body = prettyplease::unparse(&file);
    let body = body
        .replace("\n}\n", "\n}\n\n")
        .replace("\n];\n", "\n];\n\n");
    let name = &machine.head.name;
    format!("// Generated from machines/{name}.toml by machines/build.rs; do not edit.\n\n{body}")
}

/// `agent_done` -> `AgentDone`.
pub fn pascal(name: &str) -> Ident {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    format_ident!("{}", name.split('_').map(word).collect::<String>())
}

pub fn doc(text: &str) -> TokenStream {
    let lines = text.trim().lines().map(|line| format!(" {}", line.trim()));
    quote!(#(#[doc = #lines])*)
}

pub fn option(text: &Option<String>) -> TokenStream {
    match text {
        Some(text) => quote!(Some(#text)),
        None => quote!(None),
    }
}

/// Whether the event is about something that was begun at one generation, and means nothing at a later one: a worker's
/// report, and a timer that was set for a wait.
pub fn is_dated(event: &Event) -> bool {
    matches!(event.from, Source::Worker | Source::Timer)
}

pub fn has_dated(machine: &Machine) -> bool {
    machine.events.iter().any(is_dated)
}

/// The event as a pattern that binds nothing.
pub fn pattern(event: &Event) -> TokenStream {
    let name = pascal(&event.name);
    match event.data.is_empty() && !is_dated(event) {
        true => quote!(Event::#name),
        false => quote!(Event::#name { .. }),
    }
}

/// A fieldless enum with `ALL`, `as_str` and `Display`; `items` are names and docs.
pub fn plain<'a>(
    name: &str,
    about: &str,
    items: impl Iterator<Item = (&'a String, &'a str)> + Clone,
) -> TokenStream {
    let (name, about) = (pascal(name), doc(about));
    let variants: Vec<_> = items.clone().map(|(item, _)| pascal(item)).collect();
    let docs = items.clone().map(|(_, text)| doc(text));
    let texts = items.map(|(item, _)| item);
    quote! {
        #about
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize,
        )]
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

fn from_str(name: &str, what: &str) -> TokenStream {
    let name = pascal(name);
    quote! {
        impl std::str::FromStr for #name {
            type Err = crate::core::machine::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut all = Self::ALL.iter().copied();
                all.find(|item| item.as_str() == text).ok_or_else(|| {
                    let known = Self::ALL.iter().map(|item| item.as_str());
                    crate::core::machine::UnknownName::new(#what, text, known)
                })
            }
        }
    }
}

fn constants(machine: &Machine) -> TokenStream {
    let version = proc_macro2::Literal::u32_unsuffixed(machine.head.version);
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

fn state(machine: &Machine) -> TokenStream {
    let items = machine
        .states
        .iter()
        .map(|state| (&state.name, state.doc.as_str()));
    let types = plain("state", &machine.head.doc, items);
    let parse = from_str("state", "state");
    let initial = pascal(&machine.head.initial);
    let names: Vec<_> = machine
        .states
        .iter()
        .map(|state| pascal(&state.name))
        .collect();
    let kinds = machine
        .states
        .iter()
        .map(|state| pascal(&state.kind.name()));
    let docs = machine.states.iter().map(|state| state.doc.trim());
    let needs = machine.states.iter().map(|state| &state.needs);
    let needs = needs.map(|facts| quote!(&[#(#facts),*]));
    quote! {
        #types
        #parse

        impl State {
            /// Where every one begins.
            pub const INITIAL: State = State::#initial;

            /// What the state means to slots, SQL and colours.
            pub fn kind(self) -> crate::core::machine::Kind {
                use crate::core::machine::Kind;
                match self { #(State::#names => Kind::#kinds),* }
            }

            /// What the table says about the state.
            pub fn doc(self) -> &'static str {
                match self { #(State::#names => #docs),* }
            }

            /// The facts (columns) that cannot be absent in the state.
            pub fn needs(self) -> &'static [&'static str] {
                match self { #(State::#names => #needs),* }
            }
        }
    }
}

fn event(machine: &Machine) -> TokenStream {
    let items = machine
        .events
        .iter()
        .map(|event| (&event.name, event.doc.as_str()));
    let types = plain("event_name", "An event without its data.", items);
    let parse = from_str("event_name", "event");
    let names: Vec<_> = machine
        .events
        .iter()
        .map(|event| pascal(&event.name))
        .collect();
    let sources = machine
        .events
        .iter()
        .map(|event| pascal(&event.from.name()));
    let docs: Vec<_> = machine
        .events
        .iter()
        .map(|event| event.doc.trim())
        .collect();
    let variants = machine.events.iter().map(variant);
    let patterns = machine.events.iter().map(pattern);
    let generation = has_dated(machine).then(|| generation(machine));
    quote! {
        /// What can happen, with its data.
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(tag = "event", rename_all = "snake_case")]
        pub enum Event { #(#variants),* }

        impl Event {
            /// The event without its data.
            pub fn name(&self) -> EventName {
                match self { #(#patterns => EventName::#names),* }
            }

            /// Who may send it.
            pub fn source(&self) -> crate::core::machine::Source {
                self.name().source()
            }

            #generation
        }

        #types
        #parse

        impl EventName {
            /// Who may send it.
            pub fn source(self) -> crate::core::machine::Source {
                use crate::core::machine::Source;
                match self { #(EventName::#names => Source::#sources),* }
            }

            /// What the table says about the event.
            pub fn doc(self) -> &'static str {
                match self { #(EventName::#names => #docs),* }
            }
        }
    }
}

/// The variant of `Event`; a dated one begins with its generation.
fn variant(event: &Event) -> TokenStream {
    let (name, doc) = (pascal(&event.name), doc(&event.doc));
    let generation = is_dated(event)
        .then(|| quote!(#[doc = " The generation that it is about."] generation: u64,));
    let fields = event.data.iter().map(|(field, kind)| {
        let kind = syn::parse_str::<syn::Type>(kind.as_str().unwrap_or_default());
        let (field, kind) = (
            format_ident!("{field}"),
            kind.expect("the type was checked"),
        );
        quote!(#field: #kind)
    });
    let fields = quote!(#generation #(#fields),*);
    let fields = (!fields.is_empty()).then(|| quote!({ #fields }));
    quote!(#doc #name #fields)
}

fn generation(machine: &Machine) -> TokenStream {
    let (dated, others): (Vec<_>, Vec<_>) = machine.events.iter().partition(|e| is_dated(e));
    let dated = dated.iter().map(|event| pascal(&event.name));
    let others: Vec<_> = others.into_iter().map(pattern).collect();
    let others = (!others.is_empty()).then(|| quote!(#(#others)|* => None,));
    quote! {
        /// The generation that a worker's report or a timer is about.
        pub fn generation(&self) -> Option<u64> {
            match self {
                #(Event::#dated { generation, .. })|* => Some(*generation),
                #others
            }
        }
    }
}

fn effect(machine: &Machine) -> TokenStream {
    let about =
        "What the shell has to do after a move; its inputs are read from the stored entity.";
    let items = machine
        .effects
        .iter()
        .map(|effect| (&effect.name, effect.doc.as_str()));
    let (types, parse) = (plain("effect", about, items), from_str("effect", "effect"));
    let names: Vec<_> = machine
        .effects
        .iter()
        .map(|effect| pascal(&effect.name))
        .collect();
    let docs = machine.effects.iter().map(|effect| effect.doc.trim());
    let steps = machine.effects.iter().map(|effect| option(&effect.step));
    let stops = machine.effects.iter().map(|effect| effect.stops);
    quote! {
        #types
        #parse

        impl Effect {
            /// What the table says about the effect.
            pub fn doc(self) -> &'static str {
                match self { #(Effect::#names => #docs),* }
            }

            /// The phase of the step that the effect begins.
            pub fn step(self) -> Option<&'static str> {
                match self { #(Effect::#names => #steps),* }
            }

            /// Whether the effect ends the live step.
            pub fn stops(self) -> bool {
                match self { #(Effect::#names => #stops),* }
            }
        }
    }
}
