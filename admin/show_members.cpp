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
};

std::vector<Row> member_rows(const CommandInput& input) {
    std::vector<Row> rows;
    for (const status::Member& member : input.snapshot.members) {
        rows.push_back({member.cluster,
                        member.name,
                        member.role,
                        member.is_up ? "up" : "down",
                        std::int64_t{member.is_primary ? 1 : 0},
                        std::int64_t{member.is_read ? 1 : 0},
                        member.weight,
                        text_or_null(member.position),
                        member.lag_bytes < 0 ? Cell{} : Cell{member.lag_bytes},
                        member.lag_us < 0 ? Cell{} : Cell{member.lag_us},
                        text_or_null(member.problem)});
    }
    return rows;
}

}  // namespace

Show show_members() {
    return {kMemberColumns, member_rows};
}

}  // namespace weir::admin
