#include "ledger/audit.hpp"

#include "base/bytes.hpp"
#include "base/crypto.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

namespace weir::ledger {

namespace {

/// Keys in `meta`: the last line that was cut off to make room, from which the chain goes on; and
/// the last one that was written: a chain without its last lines is seen by that.
constexpr const char* kCut = "audit_cut";
constexpr const char* kEnd = "audit_end";
constexpr const char* kBytes = "audit_bytes";

/// What a line takes beside its texts: hashes, numbers, SQLite's own.
constexpr std::int64_t kLineBytes = 96;

/// Which line, and its hash.
struct Link {
    std::int64_t id = 0;
    std::string hash;

    bool operator==(const Link&) const = default;
};

/// @return "" where these are no digits
std::string bytes_of(std::string_view digits) {
    constexpr int kBase = 16;
    std::string bytes;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
        unsigned byte = 0;
        const char* begin = digits.data() + i;
        if (std::from_chars(begin, begin + 2, byte, kBase).ptr != begin + 2) {
            return "";
        }
        bytes += static_cast<char>(byte);
    }
    return bytes;
}

std::optional<Link> read_link(Connection& connection, const char* key) {
    Use known = connection.use(
        "SELECT CAST(value AS INTEGER), substr(value, instr(value, ' ') + 1) FROM meta WHERE key = "
        "?");
    known.with(std::string_view{key});
    if (!known.row()) {
        return std::nullopt;
    }
    return Link{.id = known.integer(0), .hash = bytes_of(known.view(1))};
}

void write_link(Connection& connection, const char* key, const Link& link) {
    Use writing = connection.use(
        "INSERT INTO meta(key, value) VALUES (?1, ?2 || ' ' || hex(?3)) ON CONFLICT DO UPDATE SET "
        "value = excluded.value");
    writing.with(std::string_view{key}).with(link.id).with_blob(link.hash).run();
}

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

/// @return the last line of the table
std::optional<Link> read_last(Connection& connection) {
    Use last = connection.use("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1");
    if (!last.row()) {
        return std::nullopt;
    }
    return Link{.id = last.integer(0), .hash = last.text(1)};
}

/// @return what the next line goes on from
Link chain_end(Connection& connection) {
    if (const auto end = read_link(connection, kEnd)) {
        return *end;
    }
    return read_last(connection).value_or(Link{});
}

/// A clock that was ahead of itself does not hold for the lines that come.
std::int64_t time_behind(Connection& connection, std::int64_t t) {
    constexpr std::int64_t kHour = 3'600'000'000;
    const std::int64_t last =
        connection.integer("SELECT t FROM audit ORDER BY id DESC LIMIT 1").value_or(-1);
    return last - t > kHour ? t : std::max(t, last + 1);
}

void add_bytes(Connection& connection, std::int64_t bytes) {
    Use adding = connection.use(
        "INSERT INTO meta(key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = "
        "max(0, CAST(value AS INTEGER) + ?3)");
    const std::string first = std::to_string(std::max<std::int64_t>(0, bytes));
    adding.with(std::string_view{kBytes}).with(std::string_view{first}).with(bytes).run();
}

}  // namespace

void append_audit(Connection& connection, AuditLine line) {
    static_cast<void>(audit_bytes(connection));
    const Link before = chain_end(connection);
    line.id = before.id + 1;
    line.t = time_behind(connection, line.t);
    const Link link{.id = line.id, .hash = hash_of(before.hash, line)};
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
        .with_blob(before.hash)
        .with_blob(link.hash)
        .run();
    write_link(connection, kEnd, link);
    add_bytes(connection,
              kLineBytes + static_cast<std::int64_t>(line.who.size() + line.from.size() +
                                                     line.action.size() + line.object.size() +
                                                     line.text.size()));
}

std::uint64_t audit_bytes(Connection& connection) {
    const auto known =
        connection.integer("SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'audit_bytes'");
    if (known) {
        return static_cast<std::uint64_t>(std::max<std::int64_t>(0, *known));
    }
    // Once for a file that has none yet.
    const std::int64_t bytes =
        connection
            .integer(
                "SELECT sum(96 + length(CAST(who || from_where || action || object || text AS "
                "BLOB))) FROM audit")
            .value_or(0);
    add_bytes(connection, bytes);
    return static_cast<std::uint64_t>(bytes);
}

std::int64_t cut_audit(Connection& connection) {
    // The last one stays: what was written last is what is asked for first.
    constexpr const char* kOldest =
        "SELECT max(id), sum(96 + length(CAST(who || from_where || action || object || text AS "
        "BLOB))) FROM (SELECT * FROM audit WHERE id < (SELECT max(id) FROM audit) ORDER BY id "
        "LIMIT "
        "500)";
    connection.execute("BEGIN IMMEDIATE");
    std::int64_t last = 0;
    std::int64_t bytes = 0;
    {
        Use oldest = connection.use(kOldest);
        if (oldest.row() && !oldest.is_null(0)) {
            last = oldest.integer(0);
            bytes = oldest.integer(1);
        }
    }
    std::int64_t rows = 0;
    if (last != 0) {
        Link cut{.id = last, .hash = ""};
        {
            Use line = connection.use("SELECT hash FROM audit WHERE id = ?");
            line.with(last);
            cut.hash = line.row() ? line.text(0) : "";
        }
        write_link(connection, kCut, cut);
        add_bytes(connection, -bytes);
        connection.use("DELETE FROM audit WHERE id <= ?").with(last).run();
        rows = connection.rows_changed();
    }
    connection.execute("COMMIT");
    connection.roll_back();
    return connection.is_well() ? rows : 0;
}

AuditCheck check_audit(Connection& connection) {
    // While this stands at its first row all that follows sees the file at one moment.
    Use moment = connection.use("SELECT name FROM sqlite_schema");
    static_cast<void>(moment.row());
    Link at = read_link(connection, kCut).value_or(Link{});
    const auto end = read_link(connection, kEnd);
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
        if (line.id != at.id + 1 || lines.view(7) != at.hash ||
            lines.view(8) != hash_of(at.hash, line)) {
            return {.state = AuditState::Broken, .line = at.id + 1};
        }
        at = {.id = line.id, .hash = lines.text(8)};
    }
    if (!connection.is_well()) {
        return {};
    }
    if (!end || *end == at) {
        return {.state = AuditState::InOrder, .line = at.id};
    }
    return {.state = AuditState::Broken,
            .line = end->id == at.id ? at.id : std::min(end->id, at.id) + 1};
}

}  // namespace weir::ledger
