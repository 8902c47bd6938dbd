#include "admin/health.hpp"
#include "admin/show.hpp"

namespace weir::admin {

namespace {

using enum ColumnType;

constexpr Column kMemberColumns[] = {
    {"cluster", Text},
    {"member", Text},
    {"role", Text},
    {"state", Text},
    {"writes", Int4},
    {"reads", Int4},
    {"weight", Int4},
    {"position", Text},
    {"lag_bytes", Int8},
    {"lag_us", Int8},
    {"problem", Text},
    {"breaker", Text},
    {"in_use", Int8},
    {"latency_us", Int8},
    {"health", Text},
};

constexpr Column kBreakerColumns[] = {
    {"cluster", Text},
    {"member", Text},
    {"state", Text},
    {"retry_in_us", Int8},
    {"successes", Int8},
    {"failures", Int8},
    {"slow", Int8},
    {"rejected", Int8},
    {"trips", Int8},
};

std::vector<Row> member_rows(const CommandInput& input) {
    std::vector<Row> rows;
    for (const status::Member& member : input.snapshot.members) {
        rows.push_back(
            {member.cluster,
             member.name,
             member.role,
             member.is_up ? "up" : "down",
             std::int64_t{member.is_primary ? 1 : 0},
             std::int64_t{member.is_read ? 1 : 0},
             member.weight,
             text_or_null(member.position),
             member.lag_bytes < 0 ? Cell{} : Cell{member.lag_bytes},
             member.lag_us < 0 ? Cell{} : Cell{member.lag_us},
             text_or_null(member.problem),
             member.breaker,
             static_cast<std::int64_t>(member.leased),
             member.latency_us == 0 ? Cell{} : Cell{static_cast<std::int64_t>(member.latency_us)},
             std::string{policies::name_of(check_member(member).health)}});
    }
    return rows;
}

std::vector<Row> breaker_rows(const CommandInput& input) {
    std::vector<Row> rows;
    for (const status::Member& member : input.snapshot.members) {
        rows.push_back({member.cluster,
                        member.name,
                        member.breaker,
                        member.retry_in_us < 0 ? Cell{} : Cell{member.retry_in_us},
                        static_cast<std::int64_t>(member.successes),
                        static_cast<std::int64_t>(member.failures),
                        static_cast<std::int64_t>(member.slow),
                        static_cast<std::int64_t>(member.rejected),
                        static_cast<std::int64_t>(member.trips)});
    }
    return rows;
}

}  // namespace

Show show_members() {
    return {kMemberColumns, member_rows};
}

Show show_breakers() {
    return {kBreakerColumns, breaker_rows};
}

}  // namespace weir::admin
