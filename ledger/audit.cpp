#include "ledger/audit.hpp"

#include "base/bytes.hpp"
#include "base/crypto.hpp"

#include <algorithm>
#include <string_view>

namespace weir::ledger {

namespace {

/// Each field with its length: nothing can move from one into the next.
std::string hash_of(std::string_view previous, const AuditLine& line) {
    std::string bytes;
    const auto put = [&bytes](std::string_view field) {
        bytes += std::to_string(field.size());
        bytes += ':';
        bytes += field;
    };
    put(previous);
    put(std::to_string(line.id));
    put(std::to_string(line.t));
    put(line.who);
    put(line.from);
    put(line.action);
    put(line.object);
    put(line.text);
    const crypto::Sha256 hash = crypto::sha256(as_bytes(bytes));
    return std::string{as_text(hash)};
}

}  // namespace

void append_audit(Connection& connection, AuditLine line) {
    std::string previous;
    {
        Use last = connection.use("SELECT id, t, hash FROM audit ORDER BY id DESC LIMIT 1");
        const bool is_there = last.row();
        line.id = is_there ? last.integer(0) + 1 : 1;
        line.t = is_there ? std::max(line.t, last.integer(1) + 1) : line.t;
        previous = is_there ? last.text(2) : "";
    }
    const std::string hash = hash_of(previous, line);
    Use adding = connection.use(
        "INSERT INTO audit(id, t, who, from_where, action, object, text, prev_hash, hash)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
    adding.with(line.id)
        .with(line.t)
        .with(std::string_view{line.who})
        .with(std::string_view{line.from})
        .with(std::string_view{line.action})
        .with(std::string_view{line.object})
        .with(std::string_view{line.text})
        .with_blob(previous)
        .with_blob(hash)
        .run();
}

std::optional<std::int64_t> find_broken_audit(Connection& connection) {
    std::string previous;
    std::int64_t expected = 1;
    Use lines = connection.use(
        "SELECT id, t, who, from_where, action, object, text, prev_hash, hash FROM audit ORDER BY "
        "id");
    while (lines.row()) {
        const AuditLine line{.id = lines.integer(0),
                             .t = lines.integer(1),
                             .who = lines.text(2),
                             .from = lines.text(3),
                             .action = lines.text(4),
                             .object = lines.text(5),
                             .text = lines.text(6)};
        if (line.id != expected || lines.view(7) != previous ||
            lines.view(8) != hash_of(previous, line)) {
            return expected;
        }
        previous = lines.text(8);
        ++expected;
    }
    return std::nullopt;
}

}  // namespace weir::ledger
