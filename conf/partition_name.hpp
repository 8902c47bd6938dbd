#pragma once

#include "conf/units.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::conf {

/// A part of what partitions are called: a text, or what differs from one to the next.
struct NamePart {
    enum class Kind : std::uint8_t {
        Text,
        Table,    ///< the partitioned table's name, without its schema
        Low,      ///< the integer the partition begins at
        Year,     ///< these of the time it begins at: four digits, then two for each
        Quarter,  ///< 1 to 4
        Month,
        Day,
        Hour,  ///< 00 to 23
        Minute,
        Second,
    };

    Kind kind = Kind::Text;
    std::string text;  ///< of Text

    bool operator==(const NamePart&) const = default;
};

/// Reads "{table}_p{YYYYMM}": {table}, {lo}, and of {YYYY}, {Q}, {MM}, {DD}, {HH24}, {MI} and {SS}
/// any number, together in one pair of braces too, with _ between them.
[[nodiscard]] Parsed<std::vector<NamePart>> parse_partition_name(std::string_view text);

}  // namespace weir::conf
