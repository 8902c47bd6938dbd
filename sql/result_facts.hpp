#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::sql {

/// What the grammar of a request says about whether its result may be kept.
struct ResultFacts {
    static constexpr std::size_t kMembersMax = 256;
    static constexpr std::size_t kTimeColumnsMax = 32;

    bool is_query = false;       ///< one SELECT, VALUES or TABLE
    bool samples = false;        ///< TABLESAMPLE
    bool asks_time = false;      ///< CURRENT_DATE and the like, or the type timetz
    bool has_row_place = false;  ///< ctid, xmin and their like
    bool has_cast = false;
    /// A text that a row says, or an expression makes, becomes something else: a timestamp of
    /// 'now', a relation of its name.
    bool has_unsettled_cast = false;
    bool changes_zone = false;           ///< AT TIME ZONE: of a time it takes the day's offset
    bool casts_to_time_of_day = false;   ///< to the type time
    bool has_too_many = false;           ///< of what follows; then some are left out
    std::vector<std::string> operators;  ///< but for is_common_operator(); sorted, once each
    /// Columns that are cast to a type which reads 'now'; sorted, once each.
    std::vector<std::string> time_columns;
    /// hash_of_member() of all in a.b and (a).b, which may be functions; sorted, once each.
    std::vector<std::uint32_t> members;
};

/// @return whether StatementFacts leave it out because most statements have it
[[nodiscard]] bool is_common_operator(std::string_view name);

/// @return the same of all names that are not ASCII: encodings write them differently
[[nodiscard]] std::uint32_t hash_of_member(std::string_view name);

}  // namespace weir::sql
