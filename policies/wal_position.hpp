#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::policies {

/// Reads PostgreSQL's text of a WAL position (type pg_lsn): "16/B374D848", two numbers of one to
/// eight hexadecimal digits, the upper half first.
/// @return the position in bytes since the beginning of the WAL; empty for anything else
[[nodiscard]] std::optional<std::uint64_t> parse_wal_position(std::string_view text);

/// @return the text PostgreSQL would print
[[nodiscard]] std::string wal_position_text(std::uint64_t position);

}  // namespace weir::policies
