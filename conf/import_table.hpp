#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace weir::conf {

/// How a [pgbouncer] setting is carried over.
enum class Carry : std::uint8_t {
    Seconds,       ///< a number of seconds, with decimals; 0 = off, as in Weir
    Milliseconds,  ///< a whole number of them
    Number,
    Bytes,
    Flag,     ///< 0 or 1
    Text,     ///< as it is
    Path,     ///< of a file, seen from the working directory
    Choice,   ///< a word, in whatever case
    List,     ///< names between commas
    Special,  ///< import_pgbouncer.cpp knows
    NotNeeded,
    Missing,
};

struct KnownSetting {
    std::string_view name;
    Carry carry = Carry::NotNeeded;
    std::string_view section = {};   ///< of the schema
    std::string_view key = {};       ///< in it
    std::string_view fallback = {};  ///< PgBouncer's default, written where Weir's is another
    std::string_view why = {};       ///< NotNeeded, Missing; else what is different
};

/// Every setting that some version of PgBouncer has.
[[nodiscard]] std::span<const KnownSetting> pgbouncer_settings();
[[nodiscard]] const KnownSetting* find_pgbouncer_setting(std::string_view name);

}  // namespace weir::conf
