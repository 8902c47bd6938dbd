#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

struct sqlite3;
struct sqlite3_stmt;

namespace weir::ledger {

/// What SQLite complained of.
struct Trouble {
    /// What is to be done about it.
    enum class Kind : std::uint8_t {
        Locked,   ///< by another connection: the same may work in a moment
        Full,     ///< the disk, or the file's own limit
        Corrupt,  ///< it is no database, or a ruined one
        Refused,  ///< the row itself is at fault
        Limit,    ///< a question took too long, or wanted what it may not
        Other,    ///< the file cannot be opened, read or written
    };

    Kind kind = Kind::Other;
    std::string text;  ///< for people; names no data
};

class Connection;

/// One run of a prepared statement: bind in order, then run() or row() after row(). The next run of
/// the same text begins after this has gone.
class Use {
public:
    Use(Connection& connection, sqlite3_stmt* statement);
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    Use(Use&&) = delete;
    Use& operator=(Use&&) = delete;
    ~Use();

    Use& with(std::int64_t value);
    Use& with(std::uint64_t value);  ///< beyond 63 bits: as the greatest there is
    Use& with(double value);
    Use& with(std::string_view text);  ///< the text lives until the run is over
    Use& with_blob(std::string_view bytes);
    Use& with_text_or_null(std::string_view text);  ///< "" = NULL

    /// @return whether there is another row; false also on trouble
    [[nodiscard]] bool row();
    /// Runs it to its end. @return false on trouble
    bool run();

    [[nodiscard]] std::int64_t integer(int column) const;
    [[nodiscard]] std::uint64_t natural(int column) const;  ///< negative = 0
    [[nodiscard]] double real(int column) const;
    [[nodiscard]] bool is_null(int column) const;
    /// Text or blob. @valid until the next row()
    [[nodiscard]] std::string_view view(int column) const;

    [[nodiscard]] std::string text(int column) const { return std::string{view(column)}; }

private:
    Connection* connection_;
    sqlite3_stmt* statement_;  ///< null after trouble: nothing is done
    int bound_ = 0;
};

/// A connection to SQLite. The first trouble stays until it is taken, and until then nothing more
/// is done: a sequence of calls is checked once, at its end.
///
/// @thread one at a time
class Connection {
public:
    enum class Mode : std::uint8_t { Write, Read };

    Connection() = default;
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    Connection(Connection&&) = delete;
    Connection& operator=(Connection&&) = delete;

    ~Connection() { close(); }

    /// @param uri a path or "file:…"; Write creates it
    /// @return false on trouble
    bool open(const std::string& uri, Mode mode);
    /// Closes it and forgets what trouble there was.
    void close();

    [[nodiscard]] bool is_open() const { return handle_ != nullptr; }

    /// Prepares `sql` once and keeps it. @param sql a literal: known by its address
    [[nodiscard]] Use use(const char* sql) { return {*this, prepared(sql)}; }

    /// Runs statements that have no parameters and whose rows nobody wants. @return false on
    /// trouble
    bool execute(const std::string& sql);
    /// @return the first column of the first row, or nothing
    [[nodiscard]] std::optional<std::int64_t> integer(const char* sql);

    [[nodiscard]] bool is_well() const { return handle_ != nullptr && !trouble_; }

    [[nodiscard]] const std::optional<Trouble>& trouble() const { return trouble_; }

    /// @return the trouble, after which things are tried again
    std::optional<Trouble> take_trouble();
    /// Keeps a result code of SQLite's as trouble if it is one, and none was before.
    void note(int code);
    /// The same for what SQLite has no code for.
    void refuse(std::string why);
    /// Undoes the open transaction, if there is one; trouble stays what it is.
    void roll_back();
    [[nodiscard]] std::int64_t rows_changed() const;
    [[nodiscard]] std::int64_t last_id() const;
    [[nodiscard]] bool is_in_transaction() const;

    [[nodiscard]] sqlite3* handle() { return handle_; }

private:
    sqlite3_stmt* prepared(const char* sql);

    sqlite3* handle_ = nullptr;
    std::optional<Trouble> trouble_;
    std::unordered_map<const char*, sqlite3_stmt*> prepared_;
};

}  // namespace weir::ledger
