#include "maintenance/identifier.hpp"

#define XXH_INLINE_ALL  // NOLINT(readability-identifier-naming): the library's
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace weir::maintenance {

namespace {

constexpr std::size_t kMaxName = 63;  // NAMEDATALEN - 1, in bytes
constexpr std::size_t kHashDigits = 8;

/// @return the length of `text` cut to `most` bytes without cutting a character of UTF-8
std::size_t cut_length(std::string_view text, std::size_t most) {
    if (text.size() <= most) {
        return text.size();
    }
    while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0U) == 0x80U) {
        --most;
    }
    return most;
}

}  // namespace

std::string quote_identifier(std::string_view name) {
    std::string quoted = "\"";
    for (const char c : name) {
        quoted.append(c == '"' ? 2 : 1, c);
    }
    return quoted + "\"";
}

std::string quote_literal(std::string_view text) {
    const bool has_backslash = text.find('\\') != std::string_view::npos;
    std::string quoted = has_backslash ? "E'" : "'";
    for (const char c : text) {
        quoted.append(c == '\'' || c == '\\' ? 2 : 1, c);
    }
    return quoted + "'";
}

std::string Relation::sql() const {
    return quote_identifier(schema) + "." + quote_identifier(name);
}

std::string partition_tree_sql(std::string_view root) {
    return "(WITH RECURSIVE tree(relid, parentrelid, level) AS (SELECT " + std::string{root} +
           ", NULL::oid, 0 UNION ALL SELECT i.inhrelid, i.inhparent, t.level + 1 FROM tree t JOIN "
           "pg_catalog.pg_inherits i ON i.inhparent = t.relid) SELECT t.relid, t.parentrelid, "
           "t.level, c.relkind <> 'p' AS isleaf FROM tree t JOIN pg_catalog.pg_class c ON c.oid = "
           "t.relid)";
}

Answer<Relation> find_relation(Connection& connection, std::string_view name) {
    const Answer<Rows> found = connection.run(
        "SELECT c.oid, n.nspname, c.relname, c.relkind FROM pg_catalog.pg_class c "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.oid = pg_catalog.to_regclass($1)",
        {std::string{name}});
    if (!found) {
        return failed(found.error());
    }
    if (found->empty()) {
        return problem(std::string{name} + ": no such relation",
                       "it must be there, and the schema it is in must be usable",
                       state::kUndefinedTable);
    }
    return Relation{static_cast<std::uint32_t>(found->number(0, 0)),
                    found->text(0, 1),
                    found->text(0, 2),
                    found->text(0, 3).front()};
}

std::string fit_name(std::string_view name, std::string_view suffix) {
    if (name.size() + suffix.size() <= kMaxName) {
        return std::string{name}.append(suffix);
    }
    const std::size_t room = kMaxName - std::min(kMaxName, suffix.size() + kHashDigits + 1);
    std::array<char, kHashDigits + 2> hash{};
    std::snprintf(hash.data(),
                  hash.size(),
                  "_%08x",
                  static_cast<std::uint32_t>(XXH3_64bits(name.data(), name.size())));
    return std::string{name.substr(0, cut_length(name, room))}.append(hash.data()).append(suffix);
}

}  // namespace weir::maintenance
