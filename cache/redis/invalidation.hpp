#pragma once

#include "cache/redis/stored_value.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::cache {

enum class WritePhase : std::uint8_t {
    Begun,  ///< a commit is about to be sent: what is read from now on may be either
    Ended,  ///< it is through, or will never be: what is read from now on is as it stays
};

/// What one instance tells all others of a write.
struct Invalidation {
    std::uint64_t sequence = 0;  ///< counts all messages; 0 where Redis was too full to count
    WritePhase phase = WritePhase::Ended;
    std::uint64_t instance = 0;   ///< who has written; 0 where that one was given up
    std::vector<TableId> tables;  ///< kWholeDatabase for all of them
    std::string_view database;
};

/// @return "*" for kWholeDatabase, else the number
[[nodiscard]] std::string table_word(TableId table);

/// @return the message without its sequence, which Redis puts in front of it with a space
[[nodiscard]] std::string invalidation_text(const Invalidation& what);

/// @param text anything: others may publish there
/// @return nothing where it is no message of ours
/// @valid the database points into `text`
[[nodiscard]] std::optional<Invalidation> parse_invalidation(std::string_view text);

}  // namespace weir::cache
