//! What the verifiers of older kernels ask for: how much of the stack does a program need, with all the functions that it calls in
//! turn, and which atomic operations?
//!
//! Which branches the verifier follows differs from kernel to kernel, and with it what it finds: here all are followed.

use std::collections::HashMap;

use object::{
    Object as _, ObjectSection as _, ObjectSymbol as _, RelocationTarget, SectionIndex, SymbolKind,
};

use super::object::OBJECT;

/// `MAX_BPF_STACK` (include/linux/filter.h): for a program and the functions that have not returned.
const STACK: u64 = 512;
/// To this the verifier rounds up what a function takes, before 6.4 on all kernels.
const UNIT: u64 = 32;

/// Bytes of an instruction.
const INSTRUCTION: usize = 8;
// include/uapi/linux/bpf.h: a move between registers, an addition of a constant, a call.
const MOVE: u8 = 0xbf;
const ADD: u8 = 0x07;
const CALL: u8 = 0x85;
/// An atomic operation on 32 or 64 bits. Which one, its constant says: 0 is an addition, the one that kernels before 5.12 know.
const ATOMIC: [u8; 2] = [0xc3, 0xdb];
/// In a call's source register: of a function of the program's own.
const OWN: u8 = 1;
/// The register that points to the end of the stack.
const FRAME: u8 = 10;

type Place = (SectionIndex, u64);

#[derive(Default)]
struct Function {
    name: String,
    bytes: u64,
    calls: Vec<Place>,
    /// What its atomic operations are.
    atomics: Vec<i32>,
}

fn functions() -> HashMap<Place, Function> {
    let file = object::File::parse(OBJECT).expect("the object that build.rs made");
    let mut functions = HashMap::new();
    for symbol in file.symbols() {
        let Some(section) = symbol.section_index() else {
            continue;
        };
        if symbol.kind() != SymbolKind::Text || symbol.size() == 0 {
            continue;
        }
        let data = file.section_by_index(section).expect("its section");
        let targets: HashMap<u64, Place> = data
            .relocations()
            .filter_map(|(at, relocation)| {
                let RelocationTarget::Symbol(index) = relocation.target() else {
                    return None;
                };
                let symbol = file.symbol_by_index(index).ok()?;
                Some((at, (symbol.section_index()?, symbol.address())))
            })
            .collect();
        let begin = symbol.address();
        let end = begin + symbol.size();
        let code = &data.data().expect("its code")[begin as usize..end as usize];
        let mut function = read(code, section, begin, &targets);
        function.name = symbol.name().unwrap_or_default().to_owned();
        functions.insert((section, begin), function);
    }
    functions
}

fn read(code: &[u8], section: SectionIndex, begin: u64, targets: &HashMap<u64, Place>) -> Function {
    let mut function = Function::default();
    // Registers that point to the end of the stack.
    let mut frames = [false; 16];
    frames[usize::from(FRAME)] = true;
    for (index, instruction) in code.chunks_exact(INSTRUCTION).enumerate() {
        let at = begin + (index * INSTRUCTION) as u64;
        let (operation, to, from) = (
            instruction[0],
            usize::from(instruction[1] & 15),
            usize::from(instruction[1] >> 4),
        );
        let offset = i16::from_le_bytes([instruction[2], instruction[3]]);
        let constant = i32::from_le_bytes(instruction[4..].first_chunk().copied().expect("four"));
        if ATOMIC.contains(&operation) {
            function.atomics.push(constant);
        }
        let mut reach = |below: i64| function.bytes = function.bytes.max(below.max(0) as u64);
        match (operation & 7, operation) {
            // Loads, and stores of both kinds.
            (1, _) if frames[from] => reach(-i64::from(offset)),
            (2 | 3, _) if frames[to] => reach(-i64::from(offset)),
            (_, MOVE) => frames[to] = frames[from],
            (_, ADD) if frames[to] => {
                reach(-i64::from(constant));
                frames[to] = to == usize::from(FRAME);
            }
            (_, CALL) if from == usize::from(OWN) => {
                let next = |from: u64| from.wrapping_add_signed((i64::from(constant) + 1) * 8);
                let place = match targets.get(&at) {
                    // The constant says where in that section.
                    Some(&(of, 0)) => (of, next(0)),
                    Some(place) => *place,
                    None => (section, next(at)),
                };
                function.calls.push(place);
            }
            _ => {}
        }
    }
    function
}

/// The deepest chain of calls from a function, and what it takes.
fn deepest(functions: &HashMap<Place, Function>, place: &Place) -> (u64, Vec<String>) {
    let Some(function) = functions.get(place) else {
        return (0, Vec::new());
    };
    let below = function
        .calls
        .iter()
        .map(|called| deepest(functions, called));
    let (bytes, mut chain) = below.max_by_key(|(bytes, _)| *bytes).unwrap_or_default();
    chain.insert(0, format!("{} {}", function.name, function.bytes));
    (bytes + function.bytes.max(1).next_multiple_of(UNIT), chain)
}

#[test]
fn no_chain_of_calls_needs_more_stack_than_there_is() {
    let functions = functions();
    assert!(functions.len() > 50, "{} functions", functions.len());
    let calls: usize = functions
        .values()
        .map(|function| function.calls.len())
        .sum();
    assert!(calls > 30, "{calls} calls");
    for place in functions.keys() {
        let (bytes, chain) = deepest(&functions, place);
        assert!(bytes <= STACK, "{bytes} bytes: {chain:?}");
    }
}

#[test]
fn what_is_atomic_is_an_addition() {
    let functions = functions();
    let mut additions = 0;
    for function in functions.values() {
        let others = function.atomics.iter().any(|&operation| operation != 0);
        assert!(!others, "{}: {:x?}", function.name, function.atomics);
        additions += function.atomics.len();
    }
    assert!(additions > 50, "{additions} additions");
}
