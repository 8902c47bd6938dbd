#include "sql/function_catalog.hpp"

#include <algorithm>

#include "sql/function_lists.hpp"
#include "sql/result_lists.hpp"

#define XXH_INLINE_ALL  // NOLINT(readability-identifier-naming): the library's
#include <xxhash.h>

namespace weir::sql {

namespace {

constexpr std::string_view kBuiltIn = "pg_catalog";

std::uint64_t hash(std::string_view text, std::uint64_t before) {
    return XXH3_64bits_withSeed(text.data(), text.size(), before);
}

}  // namespace

Volatility volatility_of(std::string_view word) {
    if (word == "i") {
        return Volatility::Immutable;
    }
    return word == "s" ? Volatility::Stable : Volatility::Volatile;
}

FunctionCatalog::FunctionCatalog(std::span<const FunctionRow> rows) {
    if (rows.size() > kRowsMax) {
        return;  // with some left out, a name could seem safer than it is
    }
    for (const FunctionRow& row : rows) {
        std::vector<Place>& places = functions_[std::string{row.name}];
        const auto known = std::find_if(places.begin(), places.end(), [&](const Place& place) {
            return place.schema == row.schema;
        });
        if (known == places.end()) {
            places.push_back({std::string{row.schema}, row.volatility});
        } else {
            known->volatility = std::max(known->volatility, row.volatility);
        }
    }
    for (auto& [name, places] : functions_) {
        std::sort(places.begin(), places.end(), [](const Place& one, const Place& other) {
            return one.schema < other.schema;
        });
        version_ = hash(name, version_);
        for (const Place& place : places) {
            version_ = hash(place.schema, version_) + static_cast<std::uint64_t>(place.volatility);
        }
    }
    version_ = functions_.empty() ? 0 : std::max<std::uint64_t>(version_, 1);
}

const std::vector<FunctionCatalog::Place>* FunctionCatalog::find(std::string_view name) const {
    const auto found = functions_.find(name);
    return found == functions_.end() ? nullptr : &found->second;
}

template <class F>
bool FunctionCatalog::all_of(std::string_view schema, std::string_view name, F&& accepts) const {
    const std::vector<Place>* places = find(name);
    if (places == nullptr) {
        return false;
    }
    bool is_known = false;
    for (const Place& place : *places) {
        if (!schema.empty() && place.schema != schema) {
            continue;
        }
        if (!accepts(place)) {
            return false;
        }
        is_known = true;
    }
    return is_known;
}

bool FunctionCatalog::is_safe_read(std::string_view schema, std::string_view name) const {
    return all_of(schema, name, [&](const Place& place) {
        return place.volatility != Volatility::Volatile ||
               (place.schema == kBuiltIn && is_harmless_volatile(name));
    });
}

bool FunctionCatalog::is_repeatable(std::string_view schema, std::string_view name) const {
    return all_of(schema, name, [&](const Place& place) {
        return place.volatility == Volatility::Immutable ||
               (place.volatility == Volatility::Stable && place.schema == kBuiltIn &&
                is_settled(name));
    });
}

bool FunctionCatalog::is_known(std::string_view schema, std::string_view name) const {
    return all_of(schema, name, [](const Place&) { return true; });
}

std::optional<Volatility> FunctionCatalog::built_in(std::string_view schema,
                                                    std::string_view name) const {
    std::optional<Volatility> found;
    if (schema.empty() || schema == kBuiltIn) {
        (void)all_of(kBuiltIn, name, [&](const Place& place) {
            found = place.volatility;
            return true;
        });
    }
    return found;
}

}  // namespace weir::sql
