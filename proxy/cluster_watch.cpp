#include "proxy/cluster_watch.hpp"

#include "base/log.hpp"
#include "policies/wal_position.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace weir::proxy {

using policies::ElectionEventKind;
using policies::MemberRole;
using policies::Reach;

namespace {

/// Where clients read their own writes from replicas, what a replica knows must be known soon.
constexpr std::chrono::milliseconds kFastProbe{100};
/// A member somebody could not reach is not asked more often than this.
constexpr std::chrono::milliseconds kHurriedProbe{50};

/// How often breakers are told how calls have ended: as late can a change be.
constexpr std::chrono::milliseconds kBreakersEvery{100};

/// One row: in recovery, position, timeline (of a replica: that it follows), system, how old the
/// last transaction replayed is (of a replica), in seconds.
constexpr std::string_view kQuestion =
    "SELECT r, CASE WHEN r THEN pg_catalog.pg_last_wal_replay_lsn() ELSE "
    "pg_catalog.pg_current_wal_insert_lsn() END, CASE WHEN r THEN pg_catalog.to_hex(COALESCE("
    "(SELECT w.received_tli FROM pg_catalog.pg_stat_wal_receiver w), "
    "(SELECT c.timeline_id FROM pg_catalog.pg_control_checkpoint() c))) ELSE "
    "pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8) END, "
    "(SELECT s.system_identifier FROM pg_catalog.pg_control_system() s), "
    "CASE WHEN NOT r THEN 0 WHEN pg_catalog.pg_last_wal_receive_lsn() OPERATOR(pg_catalog.=) "
    "pg_catalog.pg_last_wal_replay_lsn() THEN 0 ELSE EXTRACT(EPOCH FROM "
    "pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) "
    "pg_catalog.pg_last_xact_replay_timestamp()) END "
    "FROM (SELECT pg_catalog.pg_is_in_recovery() AS r) recovery";
constexpr std::size_t kColumns = 5;

policies::ConfiguredRole configured_role(conf::MemberRole role) {
    switch (role) {
        case conf::MemberRole::Auto: return policies::ConfiguredRole::Auto;
        case conf::MemberRole::Primary: return policies::ConfiguredRole::Primary;
        case conf::MemberRole::Replica: return policies::ConfiguredRole::Replica;
    }
    return policies::ConfiguredRole::Auto;
}

/// @return nothing where it is no number as a whole
template <class Number, class... Format>
std::optional<Number> number_of(std::string_view text, Format... format) {
    Number number{};
    const char* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, number, format...);
    return read.ec == std::errc{} && read.ptr == end ? std::optional{number} : std::nullopt;
}

}  // namespace

ClusterWatch::ClusterWatch(net::EventLoop& loop,
                           const conf::ClusterSettings& settings,
                           pool::ProbeLogin login,
                           bool is_fast,
                           const pool::ClusterView* before,
                           ClusterListener& listener)
    : loop_{loop},
      settings_{settings},
      login_{std::move(login)},
      is_fast_{is_fast},
      listener_{listener},
      election_{settings.members.size()},
      missing_since_{Clock::now()} {
    if (before != nullptr) {
        term_ = before->term;
        if (before->primary) {
            inherited_primary_ = before->members[*before->primary].endpoint;
        }
    }
    for (const conf::MemberSettings& one : settings_.members) {
        add(one);
    }
    decide();
    loop_.set_deadline(tick_, loop_.now());
}

ClusterWatch::~ClusterWatch() = default;

void ClusterWatch::add(const conf::MemberSettings& one) {
    Member& member = members_.emplace_back();
    member.settings = one;
    member.probe = std::make_unique<pool::MemberProbe>(loop_, one.address, login_);
    member.facts.configured = configured_role(one.role);
    member.load = std::make_shared<pool::MemberLoad>();
    member.breaker =
        std::make_unique<policies::Breaker>(policies::BreakerSettings{false}, member.load->gate);
}

bool ClusterWatch::is_watching(const conf::ClusterSettings& settings,
                               const pool::ProbeLogin& login,
                               bool is_fast) const {
    return settings == settings_ && login == login_ && is_fast == is_fast_;
}

void ClusterWatch::hurry() {
    const TimePoint now = loop_.now();
    for (Member& member : members_) {
        member.probe->doubt();
        member.ask_at = std::min<TimePoint>(member.ask_at, now + kHurriedProbe);
    }
    schedule();
}

void ClusterWatch::on_deadline(net::Deadline& deadline) {
    if (&deadline == &breakers_tick_) {
        watch_breakers();
        return;
    }
    const TimePoint now = loop_.now();
    for (std::size_t i = 0; i < members_.size(); ++i) {
        if (now >= members_[i].ask_at && !members_[i].probe->is_asking()) {
            ask(i);
        }
    }
    schedule();
}

void ClusterWatch::set_breakers(const conf::BreakerSettings& settings) {
    policies::BreakerSettings wanted;
    wanted.enabled = settings.enabled;
    wanted.failure_rate = settings.failure_rate;
    wanted.min_calls = settings.min_calls;
    wanted.window = settings.window;
    wanted.open_for = settings.open_for;
    wanted.half_open_calls = settings.half_open_calls;
    wanted.slow_call = settings.slow_call;
    wanted.slow_rate = settings.slow_rate;
    for (Member& member : members_) {
        member.counted = member.load->outcomes();
        note(member, member.breaker->configure(wanted, loop_.now()));
    }
    if (settings.enabled) {
        loop_.set_deadline(breakers_tick_, loop_.now() + kBreakersEvery);
    } else {
        breakers_tick_.clear();
    }
}

bool ClusterWatch::reset_breaker(const std::string& member) {
    bool is_known = false;
    for (Member& one : members_) {
        if (member.empty() || one.settings.address.text() == member) {
            is_known = true;
            one.counted = one.load->outcomes();
            note(one, one.breaker->reset(loop_.now()));
        }
    }
    return is_known;
}

/// Tells the breakers how calls have ended since the last time.
void ClusterWatch::watch_breakers() {
    const TimePoint now = loop_.now();
    for (Member& member : members_) {
        const policies::Outcomes all = member.load->outcomes();
        note(member, member.breaker->add(all.since(member.counted), now));
        member.counted = all;
    }
    loop_.set_deadline(breakers_tick_, now + kBreakersEvery);
}

void ClusterWatch::note(Member& member,
                        const std::optional<policies::BreakerChange>& change) const {
    if (!change) {
        return;
    }
    const log::Level level =
        change->to == policies::BreakerState::Closed ? log::Level::Info : log::Level::Warn;
    log::write(level,
               "breaker_changed",
               {{"cluster", settings_.name},
                {"member", member.settings.address.text()},
                {"from", policies::name_of(change->from)},
                {"to", policies::name_of(change->to)}});
    if (change->to == policies::BreakerState::Open) {
        member.load->trips.fetch_add(1, std::memory_order_relaxed);
    }
}

void ClusterWatch::schedule() {
    TimePoint due = kNever;
    for (const Member& member : members_) {
        if (!member.probe->is_asking()) {
            due = std::min(due, member.ask_at);
        }
    }
    loop_.set_deadline(tick_, due);
}

void ClusterWatch::ask(std::size_t index) {
    Member& member = members_[index];
    Duration every = settings_.probe_interval;
    if (is_fast_ && member.facts.reach == Reach::Reachable) {
        every = std::min<Duration>(every, kFastProbe);
    }
    member.ask_at = loop_.now() + every;
    member.probe->ask(std::string{kQuestion},
                      settings_.probe_timeout,
                      [this, index](const pool::ProbeAnswer& answer) { on_answer(index, answer); });
}

void ClusterWatch::on_answer(std::size_t index, const pool::ProbeAnswer& answer) {
    Member& member = members_[index];
    if (!answer.address.empty()) {
        member.address = answer.address;
    }
    const std::string before = std::exchange(member.problem, answer.problem);
    if (answer.problem.empty() && take_row(member, answer)) {
        member.facts.reach = Reach::Reachable;
    } else if (answer.is_up && member.settings.role != conf::MemberRole::Auto) {
        // It is there and does not let us ask: then it is what it was configured to be.
        member.facts.reach = Reach::Reachable;
        member.facts.in_recovery = member.settings.role == conf::MemberRole::Replica;
        member.facts.answered_at = answer.answered_at;
    } else {
        if (member.problem.empty()) {
            member.problem = "its answer was not understood";
        }
        member.facts.reach = Reach::Unreachable;
    }
    if (member.problem != before) {
        const std::string name = member.settings.address.text();
        if (member.facts.reach == Reach::Reachable && member.problem.empty()) {
            log::info("member_up", {{"cluster", settings_.name}, {"member", name}});
        } else {
            log::warn("member_down",
                      {{"cluster", settings_.name}, {"member", name}, {"reason", member.problem}});
        }
    }
    decide();
    schedule();
}

bool ClusterWatch::take_row(Member& member, const pool::ProbeAnswer& answer) {
    if (answer.rows.size() != 1 || answer.rows.front().size() != kColumns) {
        return false;
    }
    const auto& row = answer.rows.front();
    const auto position = policies::parse_wal_position(row[1]);
    const bool in_recovery = row[0] == "t";
    if (!position && !in_recovery) {
        return false;
    }
    member.facts.in_recovery = in_recovery;
    member.facts.answered_at = answer.answered_at;
    member.facts.system = number_of<std::uint64_t>(row[3], 10).value_or(0);
    if (in_recovery) {
        member.replayed = position.value_or(0);
        member.followed = number_of<std::uint32_t>(row[2], 16).value_or(0);
        const auto age = number_of<double>(row[4]);
        member.replay_age = age ? std::optional{std::chrono::duration_cast<Duration>(
                                      std::chrono::duration<double>(std::max(0.0, *age)))}
                                : std::nullopt;
        return true;
    }
    member.facts.position = *position;
    member.facts.timeline = number_of<std::uint32_t>(row[2], 16).value_or(0);
    const auto primary = election_.primary();
    if (primary && &members_[*primary] == &member) {
        if (timeline_ == member.facts.timeline) {
            static_cast<void>(history_.sample(answer.asked_at, *position));
        }
    }
    return true;
}

/// Who is what, from what is known now.
void ClusterWatch::decide() {
    std::vector<policies::MemberFacts> facts;
    facts.reserve(members_.size());
    for (const Member& member : members_) {
        facts.push_back(member.facts);
    }
    tell(election_.hold(facts));
    auto fresh = std::make_shared<pool::ClusterView>();
    const auto elected = election_.primary();
    if (elected && members_[*elected].facts.reach == Reach::Reachable) {
        fresh->primary = elected;
        note_primary(*elected);
        missing_since_ = kNever;
    } else if (missing_since_ == kNever) {
        missing_since_ = loop_.now();
    }
    fresh->term = term_;
    fresh->missing_since = missing_since_;
    for (std::size_t i = 0; i < members_.size(); ++i) {
        fresh->members.push_back(describe(i));
    }
    view_ = std::move(fresh);
    listener_.on_cluster_changed();
}

/// What was opened before leads to another server, to another history of this one, or nowhere: its
/// name leads elsewhere since it was missed.
void ClusterWatch::note_primary(std::size_t elected) {
    const Member& member = members_[elected];
    const bool is_inherited =
        !last_primary_ && inherited_primary_ && *inherited_primary_ == member.settings.address;
    const bool has_moved = missing_since_ != kNever && primary_address_ != member.address;
    const bool is_same =
        last_primary_ == elected && timeline_ == member.facts.timeline && !has_moved;
    primary_address_ = member.address;
    if (is_same) {
        return;
    }
    if (!is_inherited) {
        ++term_;
    }
    last_primary_ = elected;
    timeline_ = member.facts.timeline;
    history_.restart();
}

/// @return whether its positions are positions of the primary: one that has gone another way since
/// has replayed what never was
bool ClusterWatch::has_primarys_history(const Member& replica) const {
    return timeline_ == 0 || replica.followed == timeline_;
}

pool::MemberView ClusterWatch::describe(std::size_t index) const {
    const Member& member = members_[index];
    pool::MemberView view;
    view.endpoint = member.settings.address;
    view.name = view.endpoint.text();
    view.weight = member.settings.weight;
    view.role = election_.role(index);
    view.is_up = member.facts.reach == Reach::Reachable;
    view.problem = member.problem;
    view.load = member.load;
    if (!member.facts.in_recovery) {
        view.position = member.facts.position;
    } else if (view.is_up) {
        view.position = member.replayed;
        view.lag = member.replay_age;
        if (has_primarys_history(member)) {
            view.fresh_until = history_.fresh_until(member.replayed);
        }
        if (last_primary_) {
            const std::uint64_t written = members_[*last_primary_].facts.position;
            view.lag_bytes = written > member.replayed ? written - member.replayed : 0;
        }
    }
    const bool is_near = settings_.max_replica_lag.count() == 0 || view.lag_bytes == 0U ||
                         (view.lag && *view.lag <= settings_.max_replica_lag);
    view.may_read = view.role == MemberRole::Replica && view.is_up && member.facts.in_recovery &&
                    is_near && has_primarys_history(member);
    return view;
}

void ClusterWatch::tell(const std::vector<policies::ElectionEvent>& events) {
    const auto name = [this](std::optional<std::size_t> index) {
        return index ? members_[*index].settings.address.text() : std::string{"none"};
    };
    for (const policies::ElectionEvent& event : events) {
        const std::string who = name(event.member);
        const std::string from = name(event.from);
        const std::string to = name(event.to);
        const log::Field cluster{"cluster", settings_.name};
        const log::Field member{"member", who};
        switch (event.kind) {
            case ElectionEventKind::PrimaryChanged:
                log::warn("primary_changed", {cluster, {"from", from}, {"to", to}});
                break;
            case ElectionEventKind::RoleChanged:
                log::info("member_role_changed",
                          {cluster,
                           member,
                           {"from", policies::name_of(event.role_before)},
                           {"to", policies::name_of(event.role)}});
                break;
            case ElectionEventKind::SplitBrainBegan:
                log::error("split_brain_began", {cluster, member});
                break;
            case ElectionEventKind::SplitBrainEnded:
                log::info("split_brain_ended", {cluster, member});
                break;
            case ElectionEventKind::ContradictionBegan:
                log::warn("member_is_not_as_configured", {cluster, member});
                break;
            case ElectionEventKind::ContradictionEnded:
                log::info("member_is_as_configured", {cluster, member});
                break;
        }
    }
}

}  // namespace weir::proxy
