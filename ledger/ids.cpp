#include "ledger/ids.hpp"

#include "ledger/error_pattern.hpp"
#include "ledger/recorder.hpp"

#define XXH_INLINE_ALL  // NOLINT(readability-identifier-naming): the library's
#include <xxhash.h>

namespace weir::ledger {

namespace {

/// SQLite's integers have a sign: the same 64 bits.
std::int64_t as_signed(std::uint64_t hash) {
    return static_cast<std::int64_t>(hash);
}

}  // namespace

void Ids::forget() {
    names_.clear();
    digests_.clear();
}

std::int64_t Ids::name(NameKind kind, std::string_view text) {
    if (text.empty()) {
        return 0;
    }
    text = text.substr(0, kNameMax);
    std::pair key{kind, std::string{text}};
    if (const auto found = names_.find(key); found != names_.end()) {
        return found->second;
    }
    std::int64_t id = 0;
    {
        Use known = connection_->use("SELECT id FROM name WHERE kind = ? AND text = ?");
        known.with(static_cast<std::int64_t>(kind)).with(text);
        id = known.row() ? known.integer(0) : 0;
    }
    if (id == 0) {
        Use adding = connection_->use("INSERT INTO name(kind, text) VALUES (?, ?)");
        adding.with(static_cast<std::int64_t>(kind)).with(text).run();
        id = connection_->last_id();
    }
    if (names_.size() >= kRememberedMax) {
        names_.clear();
    }
    if (connection_->is_well()) {
        names_.emplace(std::move(key), id);
    }
    return id;
}

std::int64_t Ids::digest(const Digest& digest, std::int64_t t) {
    if (const auto found = digests_.find(digest.hash); found != digests_.end()) {
        return found->second;
    }
    std::int64_t id = -1;
    {
        Use known = connection_->use("SELECT id FROM digest WHERE hash = ?");
        known.with(as_signed(digest.hash));
        id = known.row() ? known.integer(0) : -1;
    }
    if (id < 0) {
        Use adding = connection_->use(
            "INSERT INTO digest(id, hash, kind, text, tables, first_t, last_t) VALUES (?1, ?2, ?3, "
            "?4, ?5, ?6, ?6)");
        if (digest.hash == 0) {
            adding.with(std::int64_t{0});
        } else {
            adding.with_text_or_null("");
        }
        adding.with(as_signed(digest.hash))
            .with(std::string_view{digest.kind}.substr(0, kNameMax))
            .with(std::string_view{digest.text}.substr(0, kTextMax))
            .with(std::string_view{digest.tables}.substr(0, kTextMax))
            .with(t)
            .run();
        id = digest.hash == 0 ? 0 : connection_->last_id();
    }
    if (digests_.size() >= kRememberedMax) {
        digests_.clear();
    }
    if (connection_->is_well()) {
        digests_.emplace(digest.hash, id);
    }
    return id;
}

std::int64_t Ids::pattern(const SqlState& sqlstate, std::string_view message, std::int64_t t) {
    const std::string state = sqlstate.text();
    if (const std::int64_t id = pattern_row(state, error_pattern(message), t); id > 0) {
        return id;
    }
    return pattern_row(state, kOtherName, t);
}

/// @return 0 where there are too many and this is not one of them
std::int64_t Ids::pattern_row(const std::string& sqlstate,
                              std::string_view pattern,
                              std::int64_t t) {
    const std::uint64_t hash = XXH3_64bits_withSeed(
        pattern.data(), pattern.size(), XXH3_64bits(sqlstate.data(), sqlstate.size()));
    {
        Use counting = connection_->use(
            "UPDATE error_pattern SET n = n + 1, last_t = max(last_t, ?2) WHERE hash = ?1 "
            "RETURNING id");
        counting.with(as_signed(hash)).with(t);
        std::int64_t id = 0;
        while (counting.row()) {  // to its end: only then it is done
            id = counting.integer(0);
        }
        if (id != 0) {
            return id;
        }
    }
    if (pattern != kOtherName &&
        connection_->integer("SELECT count(*) FROM error_pattern").value_or(0) >= kPatternsMax) {
        return 0;
    }
    Use adding = connection_->use(
        "INSERT INTO error_pattern(hash, sqlstate, pattern, first_t, last_t, n) VALUES (?1, ?2, "
        "?3, ?4, ?4, 1)");
    adding.with(as_signed(hash)).with(std::string_view{sqlstate}).with(pattern).with(t).run();
    return connection_->last_id();
}

}  // namespace weir::ledger
