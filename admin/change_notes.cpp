#include "admin/change_notes.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>

namespace weir::admin {

using events::Severity;

namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& json) {
    constexpr int kOneLine = -1;
    return json.dump(kOneLine, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

std::uint64_t count_of(const decltype(status::Pool::events)& events, status::PoolEvent event) {
    return events.at(static_cast<std::size_t>(event));
}

}  // namespace

const std::array<const char*, 10>& pool_event_names() {
    static constexpr std::array<const char*, 10> kNames{
        "acquire_request",
        "acquire_success",
        "acquire_fail",
        "release",
        "create_request",
        "create_success",
        "create_fail",
        "destroy_request",
        "destroy_success",
        "error",
    };
    return kNames;
}

void ChangeNotes::note(
    Severity severity, const char* kind, std::string object, std::string what, std::string data) {
    sink_.note(events::Event{.kind = kind,
                             .object = std::move(object),
                             .severity = severity,
                             .what = std::move(what),
                             .data = std::move(data)});
}

void ChangeNotes::on_sample(const status::Snapshot& snapshot, TimePoint now) {
    note_members(snapshot);
    if (has_pools_ && now - pools_at_ < kPoolsEvery) {
        return;
    }
    note_pools(snapshot);
    has_pools_ = true;
    pools_at_ = now;
}

/// A pool that was not there a minute ago has begun at zero.
void ChangeNotes::note_pools(const status::Snapshot& snapshot) {
    std::map<PoolName, PoolEvents> now;
    for (const status::Pool& pool : snapshot.pools) {
        PoolName name{pool.database, pool.user, pool.member};
        PoolEvents counts = pool.events;
        if (const auto before = pools_.find(name); before != pools_.end()) {
            for (std::size_t i = 0; i < counts.size(); ++i) {
                // One that was forgotten in between began anew.
                counts[i] -= counts[i] >= before->second[i] ? before->second[i] : 0;
            }
        }
        note_pool(name, counts);
        now.emplace(std::move(name), pool.events);
    }
    pools_ = std::move(now);
}

void ChangeNotes::note_pool(const PoolName& name, const PoolEvents& counts) {
    if (counts == PoolEvents{}) {
        return;
    }
    const auto& [database, user, member] = name;
    Json data;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        data[pool_event_names().at(i)] = counts[i];
    }
    using status::PoolEvent;
    const std::uint64_t failed = count_of(counts, PoolEvent::AcquireFail);
    const std::uint64_t errors =
        count_of(counts, PoolEvent::CreateFail) + count_of(counts, PoolEvent::Error);
    note(failed + errors > 0 ? Severity::Warning : Severity::Info,
         "pool",
         database + "/" + user + (member.empty() ? "" : "@" + member),
         "in the last minute " + std::to_string(count_of(counts, PoolEvent::AcquireSuccess)) +
             " leases, " + std::to_string(failed) + " requests failed, " +
             std::to_string(count_of(counts, PoolEvent::CreateSuccess)) +
             " server connections opened, " +
             std::to_string(count_of(counts, PoolEvent::DestroySuccess)) + " closed, " +
             std::to_string(errors) + " errors",
         text_of(data));
}

/// Nothing is told of a member that is seen for the first time: nothing has changed.
void ChangeNotes::note_members(const status::Snapshot& snapshot) {
    std::map<MemberName, Member> now;
    for (const status::Member& member : snapshot.members) {
        MemberName name{member.cluster, member.name};
        if (const auto before = members_.find(name); before != members_.end()) {
            note_member(member, before->second);
        }
        now.emplace(std::move(name),
                    Member{member.is_up, member.is_primary, member.breaker, member.trips});
    }
    members_ = std::move(now);
}

void ChangeNotes::note_member(const status::Member& now, const Member& before) {
    const Json where{{"cluster", now.cluster}, {"member", now.name}};
    const auto tell = [&](Severity severity, const char* kind, std::string what) {
        note(severity, kind, now.name, std::move(what), text_of(where));
    };
    if (now.is_up != before.is_up) {
        tell(now.is_up ? Severity::Info : Severity::Warning,
             "member",
             now.is_up ? "answers again" : "does not answer: " + now.problem);
    }
    if (now.is_primary != before.is_primary) {
        tell(now.is_primary ? Severity::Info : Severity::Warning,
             "failover",
             now.is_primary ? "is the primary of " + now.cluster + " now"
                            : "is not the primary of " + now.cluster + " any more");
    }
    if (now.breaker != before.breaker || now.trips > before.trips) {
        tell(now.breaker == "open" ? Severity::Warning : Severity::Info,
             "breaker",
             "its circuit breaker was " + before.breaker + ", is " + now.breaker + " (tripped " +
                 std::to_string(now.trips) + " times)");
    }
}

}  // namespace weir::admin
