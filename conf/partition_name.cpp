#include "conf/partition_name.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <optional>
#include <utility>

namespace weir::conf {

namespace {

using Kind = NamePart::Kind;
using Parts = std::vector<NamePart>;

constexpr std::array<std::pair<std::string_view, Kind>, 7> kOfTimes{{
    {"YYYY", Kind::Year},
    {"Q", Kind::Quarter},
    {"MM", Kind::Month},
    {"DD", Kind::Day},
    {"HH24", Kind::Hour},
    {"MI", Kind::Minute},
    {"SS", Kind::Second},
}};

/// @param braced what stands between braces
/// @return empty for what is no part
Parts parts_of(std::string_view braced) {
    if (braced == "table") {
        return {{Kind::Table, {}}};
    }
    if (braced == "lo") {
        return {{Kind::Low, {}}};
    }
    Parts parts;
    while (!braced.empty()) {
        const auto known = std::find_if(kOfTimes.begin(), kOfTimes.end(), [&](const auto& part) {
            return braced.starts_with(part.first);
        });
        if (known != kOfTimes.end()) {
            parts.push_back({known->second, {}});
            braced.remove_prefix(known->first.size());
        } else if (braced.front() == '_' && !parts.empty()) {
            parts.push_back({Kind::Text, "_"});
            braced.remove_prefix(1);
        } else {
            return {};
        }
    }
    return parts;
}

Parsed<Parts> bad(const std::string& what) {
    return Parsed<Parts>::bad(
        what +
        "; accepted: {table}, {YYYY}, {MM}, {DD}, {HH24}, {MI} and {SS}, several in one as in "
        "{YYYYMM}, and {lo} for integers");
}

}  // namespace

Parsed<std::vector<NamePart>> parse_partition_name(std::string_view text) {
    Parts parts;
    while (!text.empty()) {
        const std::size_t brace = std::min(text.find_first_of("{}"), text.size());
        if (brace > 0) {
            parts.push_back({Kind::Text, std::string{text.substr(0, brace)}});
            text.remove_prefix(brace);
            continue;
        }
        const std::size_t end = text.find('}');
        if (text.front() == '}' || end == std::string_view::npos) {
            return bad("has a brace without its other half");
        }
        Parts some = parts_of(text.substr(1, end - 1));
        if (some.empty()) {
            return bad("has no part \"" + std::string{text.substr(0, end + 1)} + "\" to fill in");
        }
        std::move(some.begin(), some.end(), std::back_inserter(parts));
        text.remove_prefix(end + 1);
    }
    return Parsed<Parts>::good(std::move(parts));
}

}  // namespace weir::conf
