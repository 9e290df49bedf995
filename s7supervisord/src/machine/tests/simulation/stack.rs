//! The registries of a simulation: a random plan, and how it changes from one reload to the next.

use super::dice::Dice;
use crate::registry::plan::{
    ComponentPlan, DependencyPlan, HealthPlan, NotifyBy, NotifyPlan, OnLoss, Plan, ProbePlan, RestartPolicy,
};
use crate::registry::{LoadOptions, Os, load_text};
use s7proto::name::ComponentName;
use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;

/// The longest `stopTimeout` that is written into a registry.
pub const MOST_PATIENCE: Duration = Duration::from_secs(90);

/// A plan of one component, as the loader makes it; all others are altered copies.
fn pattern() -> &'static Plan {
    static PATTERN: OnceLock<Plan> = OnceLock::new();
    PATTERN.get_or_init(|| {
        let options = LoadOptions {
            file: "r.xml".into(),
            install_folder: "/s7".into(),
            settings: Vec::new(),
            strict: true,
            os: Os::Linux,
        };
        let text =
            "<supervisor><servers><server id='c'><executable>x</executable></server></servers></supervisor>";
        load_text(text.as_bytes(), &options, &[]).unwrap_or_else(|failure| panic!("{failure}"))
    })
}

/// A registry on the pretended disk.
pub struct Stack {
    pub plan: Plan,
    tiers: u64,
    /// The number of the next server that is thought of.
    next: u32,
    /// Those whose policy is, or was once, that they may stay ended or be given up. What has ended under such a policy
    /// stays so under the next.
    may_stay_ended: BTreeSet<ComponentName>,
}

impl Stack {
    pub fn new(dice: &mut Dice) -> Self {
        let plan = Plan {
            components: Vec::new(),
            ..pattern().clone()
        };
        let tiers = dice.between(1, 6);
        let mut stack = Self {
            plan,
            tiers,
            next: 0,
            may_stay_ended: BTreeSet::new(),
        };
        // Small ones show more in the same time; large ones are there to show what only many do.
        let size = if dice.chance(100) {
            dice.between(13, 40)
        } else {
            dice.between(3, 12)
        };
        while (stack.plan.components.len() as u64) < size {
            stack.add(dice);
        }
        stack.note_limits();
        stack
    }

    fn note_limits(&mut self) {
        let limited =
            |one: &&ComponentPlan| one.restart.policy != RestartPolicy::Always || one.restart.max_retries > 0;
        let names = self
            .plan
            .components
            .iter()
            .filter(limited)
            .map(|one| one.id.clone());
        self.may_stay_ended.extend(names);
    }

    /// Whether a component may be at rest without a process although it is wished up.
    pub fn may_stay_ended(&self, component: &ComponentName) -> bool {
        self.may_stay_ended.contains(component)
    }

    /// Another registry, as an editor leaves it behind.
    pub fn edit(&mut self, dice: &mut Dice) {
        for _ in 0..dice.between(1, 4) {
            let count = self.plan.components.len() as u64;
            match dice.between(0, 9) {
                0 | 1 if count < 40 => self.add(dice),
                2 | 3 if count > 0 => {
                    let at = dice.between(0, count - 1) as usize;
                    let gone = self.plan.components.remove(at);
                    for component in &mut self.plan.components {
                        component.depends_on.retain(|on| on.on != gone.id);
                    }
                }
                4..=9 if count > 0 => {
                    let at = dice.between(0, count - 1) as usize;
                    self.alter(dice, at);
                }
                _ => {}
            }
        }
        self.note_limits();
    }

    fn alter(&mut self, dice: &mut Dice, at: usize) {
        let (tiers, before) = (self.tiers, self.names_before(at));
        let component = &mut self.plan.components[at];
        match dice.between(0, 3) {
            // Another process, so it needs a run.
            0 | 1 => component.run.arguments.push("again".to_owned()),
            2 => temper(component, dice, tiers),
            _ => component.depends_on = dependencies(dice, &before),
        }
    }

    /// Those that may be depended on without a circle.
    fn names_before(&self, at: usize) -> Vec<ComponentName> {
        self.plan.components[..at]
            .iter()
            .map(|one| one.id.clone())
            .collect()
    }

    /// One more server, sometimes one that was there before; some have instances.
    fn add(&mut self, dice: &mut Dice) {
        let number = if dice.chance(150) && self.next > 0 {
            dice.between(0, u64::from(self.next) - 1) as u32
        } else {
            self.next += 1;
            self.next - 1
        };
        let mut component = pattern().components[0].clone();
        temper(&mut component, dice, self.tiers);
        component.depends_on = dependencies(dice, &self.names_before(self.plan.components.len()));
        let server = ComponentName::parse(&format!("s{number}")).unwrap();
        let instances = if number % 5 == 4 {
            dice.between(2, 4) as u32
        } else {
            1
        };
        for instance in 1..=instances {
            let mut one = component.clone();
            one.id = server.clone();
            if number % 5 == 4 {
                one.id = ComponentName::parse(&format!("s{number}-{instance}")).unwrap();
                one.instance_of = Some((server.clone(), instance));
            }
            if self.plan.components.iter().all(|other| other.id != one.id) {
                self.plan.components.push(one);
            }
        }
    }
}

fn temper(component: &mut ComponentPlan, dice: &mut Dice, tiers: u64) {
    component.auto_start = !dice.chance(150);
    component.tier = i32::try_from(dice.between(1, tiers)).unwrap();
    component.start_delay = match dice.between(0, 3) {
        0 => Duration::ZERO,
        1 => Duration::from_secs(1),
        _ => dice.span(Duration::from_millis(10), Duration::from_secs(40)),
    };
    component.stop_timeout = match dice.between(0, 5) {
        0 => Duration::ZERO,
        1 => Duration::from_secs(60),
        _ => dice.span(Duration::from_millis(100), MOST_PATIENCE),
    };
    component.restart.policy = match dice.between(0, 9) {
        0 => RestartPolicy::Never,
        1 | 2 => RestartPolicy::OnFailure,
        _ => RestartPolicy::Always,
    };
    component.restart.max_retries = if dice.chance(150) {
        dice.between(1, 5) as u32
    } else {
        0
    };
    component.health = dice.chance(250).then(|| probe(dice));
    component.readiness = dice.chance(120).then(|| probe(dice));
    component.notify = dice.chance(120).then(|| NotifyPlan {
        by: NotifyBy::Socket,
        startup_timeout: dice.span(Duration::from_secs(1), Duration::from_secs(90)),
        watchdog: None,
    });
}

fn probe(dice: &mut Dice) -> HealthPlan {
    HealthPlan {
        probe: ProbePlan::Tcp { port: 1 },
        interval: dice.span(Duration::from_secs(5), Duration::from_secs(120)),
        timeout: Duration::from_secs(dice.between(1, 5)),
        failures: dice.between(1, 4) as u32,
        successes: dice.between(1, 3) as u32,
        startup_timeout: dice.span(Duration::from_secs(1), Duration::from_secs(300)),
    }
}

fn dependencies(dice: &mut Dice, on: &[ComponentName]) -> Vec<DependencyPlan> {
    let mut chosen = Vec::new();
    while !on.is_empty() && chosen.len() < 3 && dice.chance(250) {
        let name = dice.pick(on).clone();
        if chosen.iter().all(|other: &DependencyPlan| other.on != name) {
            chosen.push(DependencyPlan {
                on: name,
                on_loss: *dice.pick(&[OnLoss::None, OnLoss::Restart, OnLoss::Restart, OnLoss::Stop]),
            });
        }
    }
    chosen
}
