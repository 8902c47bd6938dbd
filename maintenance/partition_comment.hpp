#pragma once

#include "maintenance/partition_set.hpp"

#include <string>
#include <string_view>

namespace weir::maintenance {

/// Begins the COMMENT of every table that is Weir's.
inline constexpr std::string_view kCommentMark = R"({"by":"weir",)";

/// What Weir notes of a partition in its COMMENT, as JSON.
struct PartitionComment {
    std::string table;  ///< whose partition it is: "public.events"
    std::string lo;
    std::string hi;
    std::string detached;  ///< when; "" = is not, or is not to be
    std::string action;    ///< RetentionAction, as in the configuration; "" = none
    std::string was;       ///< somebody's own comment, kept

    [[nodiscard]] std::string json() const;
    /// @return as it is in "json()"; an empty table where it is none of ours
    [[nodiscard]] static PartitionComment parse(std::string_view text);
};

}  // namespace weir::maintenance
