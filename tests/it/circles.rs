//! No circle of files: whoever reads a file can read what it stands on first. A file stands on another if it names
//! something in it, tests aside; that a file declares its parts (`mod`) does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

type Module = Vec<String>;

/// The files of the crate, by the module each of them is.
#[derive(Default)]
struct Crate {
    files: BTreeMap<Module, syn::File>,
}

impl Crate {
    fn read() -> Self {
        let mut found = Self::default();
        found.add(Vec::new(), &Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs"));
        found
    }

    fn add(&mut self, module: Module, path: &Path) {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file = syn::parse_file(&text).expect("Rust");
        for item in &file.items {
            let syn::Item::Mod(part) = item else { continue };
            if part.content.is_some() || is_test(&part.attrs) {
                continue;
            }
            let name = part.ident.to_string();
            let mut inner = module.clone();
            inner.push(name.clone());
            self.add(inner, &file_of(path, &name));
        }
        self.files.insert(module, file);
    }

    /// The file that a path leads to.
    fn target(&self, path: &[String]) -> Option<Module> {
        let mut lengths = (1..=path.len()).rev();
        lengths.find_map(|length| {
            self.files
                .get_key_value(&path[..length])
                .map(|(module, _)| module.clone())
        })
    }

    /// What each file stands on.
    fn edges(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let edges = self.files.iter().map(|(module, file)| {
            let mut names = Names {
                module,
                all: self,
                found: BTreeSet::new(),
            };
            names.visit_file(file);
            names.found.remove(module);
            (module.clone(), names.found)
        });
        edges.collect()
    }
}

fn file_of(parent: &Path, name: &str) -> PathBuf {
    let is_root = parent.ends_with("mod.rs") || parent.ends_with("lib.rs");
    let base = if is_root {
        parent.with_file_name("")
    } else {
        parent.with_extension("")
    };
    let leaf = base.join(format!("{name}.rs"));
    if leaf.exists() {
        leaf
    } else {
        base.join(name).join("mod.rs")
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    let of_tests = |attribute: &syn::Attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Ident>()
                .is_ok_and(|condition| condition == "test")
    };
    attributes.iter().any(of_tests)
}

/// Collects the files that one file names.
struct Names<'a> {
    module: &'a Module,
    all: &'a Crate,
    found: BTreeSet<Module>,
}

impl Names<'_> {
    fn name(&mut self, path: &[String]) {
        let Some(first) = path.first() else { return };
        let mut base = self.module.clone();
        let rest: &[String] = match first.as_str() {
            "crate" => {
                base.clear();
                &path[1..]
            }
            "self" => &path[1..],
            "super" => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                base.truncate(base.len().saturating_sub(ups));
                &path[ups..]
            }
            // A part of this file's module, or something from outside.
            _ => {
                base.push(first.clone());
                if !self.all.files.contains_key(&base) {
                    return;
                }
                &path[1..]
            }
        };
        base.extend(rest.iter().cloned());
        self.found.extend(self.all.target(&base));
    }

    fn uses(&mut self, prefix: &mut Module, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.uses(prefix, &path.tree);
                prefix.pop();
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.uses(prefix, item)),
            syn::UseTree::Name(syn::UseName { ident }) | syn::UseTree::Rename(syn::UseRename { ident, .. }) => {
                prefix.push(ident.to_string());
                self.name(prefix);
                prefix.pop();
            }
            syn::UseTree::Glob(_) => self.name(prefix),
        }
    }
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_test(&item.attrs) {
            self.uses(&mut Vec::new(), &item.tree);
        }
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let names: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.name(&names);
        }
        visit::visit_path(self, path);
    }

    /// The inside of a macro is no syntax yet, but paths look the same in it.
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let text = call.tokens.to_string().replace(" :: ", "::");
        for word in text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':') {
            let names: Vec<_> = word.split("::").map(str::to_owned).collect();
            if names.len() > 1 {
                self.name(&names);
            }
        }
    }
}

/// Everything that can be reached from a file.
fn reachable<'a>(edges: &'a BTreeMap<Module, BTreeSet<Module>>, from: &'a Module) -> BTreeSet<&'a Module> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<_> = edges[from].iter().collect();
    while let Some(module) = open.pop() {
        if reached.insert(module) {
            open.extend(&edges[module]);
        }
    }
    reached
}

/// Files that stand on each other, circle by circle.
fn circles(edges: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<BTreeSet<String>> {
    let all: BTreeMap<_, _> = edges.keys().map(|module| (module, reachable(edges, module))).collect();
    let circle = |module: &Module| {
        let mates = all[module].iter().filter(|other| all[**other].contains(module));
        mates.map(|other| other.join("::")).collect::<BTreeSet<_>>()
    };
    edges.keys().map(circle).filter(|circle| !circle.is_empty()).collect()
}

#[test]
fn no_files_stand_on_each_other() {
    let edges = Crate::read().edges();
    let count: usize = edges.values().map(BTreeSet::len).sum();
    assert!(edges.len() > 150 && count > 500, "{} files, {count} edges", edges.len());
    assert_eq!(circles(&edges), BTreeSet::new());
}
