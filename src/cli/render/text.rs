//! Text from outside on its way to a terminal: escape sequences (ECMA-48) go, so that no name and no output can move the
//! cursor, set the title or fill the clipboard. By hand, because pieces of a stream are cut anywhere, also in the middle
//! of a sequence, and the crate in use forgets where it was at the end of each piece.

use std::borrow::Cow;
use std::mem;

/// Where in a sequence the next character is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// In a control sequence: `ESC [ … final`.
    Control,
    /// In a string that the terminal would interpret: `ESC ] … BEL` or `ESC ] … ESC \`.
    String,
    /// In such a string, after ESC.
    StringEscape,
}

/// Makes pieces of one text harmless, one after the other. Lines are kept.
#[derive(Debug, Default)]
pub struct Pieces {
    place: Place,
}

impl Pieces {
    /// The next piece without its escape sequences; carriage returns go, other control characters but line feed and tab
    /// become U+FFFD.
    pub fn next(&mut self, piece: &str) -> String {
        piece.chars().filter_map(|c| self.pass(c)).collect()
    }

    fn pass(&mut self, c: char) -> Option<char> {
        let place = mem::take(&mut self.place);
        // A sequence that never ends costs a line, not the rest of the text.
        if c == '\n' {
            return Some(c);
        }
        self.place = match (place, c) {
            (Place::Text, '\u{1b}') => Place::Escape,
            (Place::Text, '\r') => Place::Text,
            (Place::Text, c) if c.is_control() && c != '\t' => {
                return Some(char::REPLACEMENT_CHARACTER);
            }
            (Place::Text, c) => return Some(c),
            (Place::Escape, '[') => Place::Control,
            (Place::Escape, ']' | 'P' | 'X' | '^' | '_') => Place::String,
            // Intermediate characters of a longer sequence; anything else is its last.
            (Place::Escape, ' '..='/' | '\u{1b}') => Place::Escape,
            (Place::Escape, _) => Place::Text,
            (Place::Control, '\u{1b}') => Place::Escape,
            (Place::Control, ' '..='?') => Place::Control,
            (Place::Control, _) => Place::Text,
            (Place::String | Place::StringEscape, '\u{7}') => Place::Text,
            (Place::String | Place::StringEscape, '\u{1b}') => Place::StringEscape,
            (Place::StringEscape, '\\') => Place::Text,
            (Place::String | Place::StringEscape, _) => Place::String,
        };
        None
    }
}

/// One line of harmless text: as [`Pieces`], with line ends and tabs as spaces.
pub fn plain(text: &str) -> String {
    Pieces::default().next(text).replace(['\n', '\t'], " ")
}

/// JSON with the control characters escaped that JSON itself lets stand (DEL and C1): it means the same, and a terminal
/// takes none of them for a command.
pub fn escaped(json: &str) -> Cow<'_, str> {
    if !json.contains(stands_in_json) {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        match c {
            // Outside of strings there is none in JSON.
            c if stands_in_json(c) => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    Cow::Owned(text)
}

fn stands_in_json(c: char) -> bool {
    c >= '\u{7f}' && c.is_control()
}

/// The last eight characters of an id: the head of a UUIDv7 is the time, its tail tells runs apart.
pub fn tail(id: uuid::Uuid) -> String {
    let text = id.simple().to_string();
    text[text.len() - 8..].to_owned()
}

/// The short form of a step's id: the tail of its run, and its number in it.
pub fn step_tail(id: &str) -> String {
    let (run, number) = match id.split_once('.') {
        Some((run, number)) => (run, Some(number)),
        None => (id, None),
    };
    let start = run.char_indices().rev().nth(7).map_or(0, |(at, _)| at);
    let run = run.get(start..).unwrap_or(run);
    plain(&match number {
        Some(number) => format!("{run}.{number}"),
        None => run.to_owned(),
    })
}
