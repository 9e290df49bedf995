//! `<dependsOn>`: from what is written to components, without circles.

use super::diagnostic::{Finding, Findings, did_you_mean, list, shown};
use super::plan::{ComponentPlan, DependencyPlan, OnLoss};
use super::reading::Text;
use super::server::Servers;
use s7proto::name::ComponentName;
use std::collections::HashMap;

/// The most dependencies of all components together. Ten servers of a thousand instances that all depend on each
/// other would be ninety million.
const MAX_DEPENDENCIES: usize = 100_000;

/// One `<dependsOn>` as written.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The id of a component or of a server with instances.
    pub on: Text,
    /// What happens when it is lost.
    pub on_loss: OnLoss,
}

/// Fills in `depends_on` of all components.
pub(super) fn resolve(servers: &mut Servers, findings: &mut Findings) {
    let Some(edges) = find_all(servers, findings) else {
        return;
    };
    report_circles(servers, &edges, findings);
    report_order(servers, &edges, findings);
    let names: Vec<_> = servers
        .components
        .iter()
        .map(|component| component.id.clone())
        .collect();
    for (component, edges) in servers.components.iter_mut().zip(&edges) {
        component.depends_on = edges
            .iter()
            .map(|edge| DependencyPlan {
                on: names[edge.to].clone(),
                on_loss: edge.on_loss,
            })
            .collect();
    }
}

/// One dependency: on which component, and which of the `Wanted`s asks for it.
struct Edge {
    to: usize,
    wanted: usize,
    on_loss: OnLoss,
}

fn find_all(servers: &Servers, findings: &mut Findings) -> Option<Vec<Vec<Edge>>> {
    let ids = servers.components.iter().enumerate();
    let by_id: HashMap<&str, usize> = ids
        .map(|(index, component)| (component.id.as_str(), index))
        .collect();
    let mut total = 0;
    let mut all = Vec::with_capacity(servers.components.len());
    for (from, wanted) in servers.wanted.iter().enumerate() {
        let mut edges: Vec<Edge> = Vec::new();
        // Which component is asked for already, and by which of the `Wanted`s.
        let mut seen: HashMap<usize, usize> = HashMap::new();
        for (index, want) in wanted.iter().enumerate() {
            let targets = match (
                servers.groups.get(&want.on.value),
                by_id.get(want.on.value.as_str()),
            ) {
                (Some(group), _) => group.as_slice(),
                (None, Some(one)) => std::slice::from_ref(one),
                // What is wrong with it is reported where it stands.
                (None, None) if servers.failed.contains(&want.on.value) => continue,
                // Thousands of instances with thousands of mistakes each would be millions of the same.
                (None, None) if findings.enough_errors() => return None,
                (None, None) => {
                    report_unknown(servers, &want.on, findings);
                    continue;
                }
            };
            for to in targets.iter().copied() {
                let id = &servers.components[to].id;
                if to == from {
                    let message = format!("`{id}` can't depend on itself");
                    findings.report(Finding::error(want.on.at, message).hint("remove this `<dependsOn>`"));
                    break;
                }
                if let Some(first) = seen.insert(to, index) {
                    let message = format!("the dependency on `{id}` is given twice");
                    findings.report(
                        Finding::error(want.on.at, message).related(wanted[first].on.at, "first given here"),
                    );
                    break;
                }
                edges.push(Edge {
                    to,
                    wanted: index,
                    on_loss: want.on_loss,
                });
                total += 1;
            }
            if total > MAX_DEPENDENCIES {
                let message = format!("with this one there are more than {MAX_DEPENDENCIES} dependencies");
                findings.report(
                    Finding::error(want.on.at, message)
                        .hint("a dependency on a server counts once for each instance"),
                );
                return None;
            }
        }
        all.push(edges);
    }
    Some(all)
}

fn report_unknown(servers: &Servers, on: &Text, findings: &mut Findings) {
    let message = format!("`{}` is not a component", shown(&on.value));
    let mut finding = Finding::error(on.at, message);
    if !findings.full() {
        let groups = servers.groups.keys().map(String::as_str);
        let mut known: Vec<&str> = servers
            .components
            .iter()
            .map(|component| component.id.as_str())
            .collect();
        known.extend(groups);
        known.sort_unstable();
        let meant = did_you_mean(&on.value, known.iter().copied(), |name| format!("`{name}`"));
        finding = finding.hint(meant.unwrap_or_else(|| format!("known are {}", list(known.iter().copied()))));
    }
    findings.report(finding);
}

/// Removes components that wait for nothing until none is left; what then remains goes in circles.
fn report_circles(servers: &Servers, edges: &[Vec<Edge>], findings: &mut Findings) {
    let mut waits_for: Vec<usize> = edges.iter().map(Vec::len).collect();
    let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); edges.len()];
    for (from, edges) in edges.iter().enumerate() {
        for edge in edges {
            needed_by[edge.to].push(from);
        }
    }
    let mut free: Vec<usize> = (0..edges.len()).filter(|index| waits_for[*index] == 0).collect();
    let mut left = vec![true; edges.len()];
    let mut remove = |free: &mut Vec<usize>, left: &mut Vec<bool>| {
        while let Some(index) = free.pop() {
            left[index] = false;
            for from in needed_by[index].iter().copied() {
                waits_for[from] = waits_for[from].saturating_sub(1);
                if waits_for[from] == 0 && left[from] {
                    free.push(from);
                }
            }
        }
    };
    remove(&mut free, &mut left);
    for start in 0..edges.len() {
        if !left[start] {
            continue;
        }
        // Every component that is left waits for another that is left, so this walk comes back to where it was.
        let mut walk: Vec<usize> = vec![start];
        let mut position: HashMap<usize, usize> = HashMap::from([(start, 0)]);
        let circle = loop {
            let here = walk.last().copied().unwrap_or(start);
            let Some(edge) = edges[here].iter().find(|edge| left[edge.to]) else {
                break &walk[..0];
            };
            match position.get(&edge.to) {
                Some(first) => break &walk[*first..],
                None => {
                    position.insert(edge.to, walk.len());
                    walk.push(edge.to);
                }
            }
        };
        report_circle(servers, edges, circle, findings);
        free.extend(circle.iter().copied());
        if circle.is_empty() {
            free.push(start);
        }
        remove(&mut free, &mut left);
    }
}

fn report_circle(servers: &Servers, edges: &[Vec<Edge>], circle: &[usize], findings: &mut Findings) {
    // Told from the one that comes first in the file.
    let Some(first) = (0..circle.len()).min_by_key(|at| circle[*at]) else {
        return;
    };
    let ordered: Vec<usize> = circle[first..].iter().chain(&circle[..first]).copied().collect();
    let (Some(from), Some(to)) = (ordered.first(), ordered.get(1).or(ordered.first())) else {
        return;
    };
    let Some(edge) = edges[*from].iter().find(|edge| edge.to == *to) else {
        return;
    };
    let id = |index: &usize| servers.components[*index].id.as_str();
    let mut names: Vec<&str> = ordered.iter().take(20).map(id).collect();
    if ordered.len() > 20 {
        names.push("…");
    }
    names.push(id(from));
    let message = format!("the dependencies go in a circle: {}", names.join(" -> "));
    let at = servers.wanted[*from][edge.wanted].on.at;
    findings.report(Finding::error(at, message).hint("remove one of these `<dependsOn>`"));
}

/// Warns of dependencies that keep a component waiting at boot.
fn report_order(servers: &Servers, edges: &[Vec<Edge>], findings: &mut Findings) {
    for (from, edges) in edges.iter().enumerate() {
        let component = &servers.components[from];
        for edge in edges {
            let other = &servers.components[edge.to];
            let at = servers.wanted[from][edge.wanted].on.at;
            let (name, other_name) = (server(component), server(other));
            if other.tier > component.tier {
                let message = format!(
                    "`{name}` (startPriority {}) depends on `{other_name}` (startPriority {}), which starts later",
                    component.tier, other.tier
                );
                let hint = format!(
                    "each waits for the other until the gate of startPriority {} gives up after 60 s; \
                     give `{other_name}` a lower startPriority, or the same",
                    component.tier
                );
                findings.report(Finding::warning(at, message).hint(hint));
            }
            if component.auto_start && !other.auto_start {
                let message =
                    format!("`{name}` starts by itself and depends on `{other_name}`, which does not");
                let hint = format!("`{name}` waits until somebody starts `{other_name}`");
                findings.report(Finding::warning(at, message).hint(hint));
            }
        }
    }
}

/// What a component is called where its instances needn't be told apart.
fn server(component: &ComponentPlan) -> &ComponentName {
    component
        .instance_of
        .as_ref()
        .map_or(&component.id, |(server, _)| server)
}
