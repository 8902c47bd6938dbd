#include "ledger/ids.hpp"

#include "base/utf8.hpp"
#include "ledger/error_pattern.hpp"
#include "ledger/sums.hpp"

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

std::int64_t Ids::name(NameKind kind, std::string_view text, std::int64_t t) {
    if (text.empty()) {
        return 0;
    }
    const std::int64_t until_us = (t / kHourUs + 1) * kHourUs;
    std::pair key{kind, std::string{cut_utf8(text, kNameMax)}};
    auto found = names_.find(key);
    if (found == names_.end()) {
        const Name name = find_or_add(kind, key.second, until_us);
        if (!connection_->is_well()) {
            return name.id;
        }
        if (names_.size() >= kRememberedMax) {
            names_.clear();
        }
        found = names_.emplace(std::move(key), name).first;
    }
    Name& name = found->second;
    if (name.until_us < until_us) {
        Use seen = connection_->use("UPDATE name SET last_t = ?2 WHERE id = ?1");
        seen.with(name.id).with(until_us).run();
        name.until_us = until_us;
    }
    return name.id;
}

Ids::Name Ids::find_or_add(NameKind kind, std::string_view text, std::int64_t until_us) {
    {
        Use known = connection_->use("SELECT id, last_t FROM name WHERE kind = ? AND text = ?");
        known.with(static_cast<std::int64_t>(kind)).with(text);
        if (known.row()) {
            return {.id = known.integer(0), .until_us = known.integer(1)};
        }
    }
    Use adding = connection_->use("INSERT INTO name(kind, text, last_t) VALUES (?, ?, ?)");
    adding.with(static_cast<std::int64_t>(kind)).with(text).with(until_us).run();
    return {.id = connection_->last_id(), .until_us = until_us};
}

std::int64_t Ids::digest(const Digest& digest, std::int64_t t) {
    auto found = digests_.find(digest.hash);
    if (found == digests_.end()) {
        const KnownDigest known = find_or_add(digest, t);
        if (!connection_->is_well()) {
            return known.id;
        }
        if (digests_.size() >= kRememberedMax) {
            digests_.clear();
        }
        found = digests_.emplace(digest.hash, known).first;
    }
    KnownDigest& known = found->second;
    if (!known.has_tables && !digest.tables.empty()) {
        Use completing = connection_->use("UPDATE digest SET tables = ?2 WHERE id = ?1");
        completing.with(known.id).with(cut_utf8(digest.tables, kTextMax)).run();
        known.has_tables = true;
    }
    return known.id;
}

Ids::KnownDigest Ids::find_or_add(const Digest& digest, std::int64_t t) {
    {
        Use known = connection_->use("SELECT id, tables <> '' FROM digest WHERE hash = ?");
        known.with(as_signed(digest.hash));
        if (known.row()) {
            return {.id = known.integer(0), .has_tables = known.integer(1) != 0};
        }
    }
    Use adding = connection_->use(
        "INSERT INTO digest(id, hash, kind, text, tables, first_t, last_t) VALUES (?1, ?2, ?3, ?4, "
        "?5, ?6, ?6)");
    if (digest.hash == 0) {
        adding.with(std::int64_t{0});
    } else {
        adding.with_text_or_null("");
    }
    adding.with(as_signed(digest.hash))
        .with(cut_utf8(digest.kind, kNameMax))
        .with(cut_utf8(digest.text, kTextMax))
        .with(cut_utf8(digest.tables, kTextMax))
        .with(t)
        .run();
    return {.id = digest.hash == 0 ? 0 : connection_->last_id(),
            .has_tables = !digest.tables.empty()};
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
