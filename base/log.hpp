#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

/// Event lines: a level, an event name (a constant, searchable), then key=value. Written by a
/// thread of its own; a slow disk drops the oldest lines (counted) and never stops an event loop.
/// Thread: any.
///
/// Nothing secret may be given to these functions: no password, no key, no bind value.
namespace weir::log {

enum class Level : std::uint8_t { Trace, Debug, Info, Warn, Error };
enum class Format : std::uint8_t { Text, Json };

struct Options {
    Level level = Level::Info;
    Format format = Format::Text;
    std::string file;             ///< "" = standard error
    bool connections = false;     ///< a line for each client that comes
    bool disconnections = false;  ///< and for each that leaves
    bool pooler_errors = true;    ///< for each error of ours that a client is told
    std::chrono::milliseconds stats_every{};
};

/// One key=value. Holds a view: the value must live until the call that logs it returns.
class Field {
public:
    Field(std::string_view key, std::string_view value) : key_{key}, value_{value} {}

    Field(std::string_view key, const char* value) : key_{key}, value_{std::string_view{value}} {}

    Field(std::string_view key, const std::string& value)
        : key_{key}, value_{std::string_view{value}} {}

    template <std::integral T>
    Field(std::string_view key, T value) : key_{key}, value_{static_cast<std::int64_t>(value)} {}

    Field(std::string_view key, double value) : key_{key}, value_{value} {}

    [[nodiscard]] std::string_view key() const { return key_; }

    [[nodiscard]] const std::variant<std::string_view, std::int64_t, double>& value() const {
        return value_;
    }

private:
    std::string_view key_;
    std::variant<std::string_view, std::int64_t, double> value_;
};

/// Opens the log. Before it, lines go to standard error as text.
/// @return "" or what is wrong (the file cannot be opened), for a person
[[nodiscard]] std::string start(const Options& options);
/// Writes what is queued (within two seconds) and closes.
void stop();
void set_level(Level level);
[[nodiscard]] bool enabled(Level level);
/// Opens the log file again under its name, after logrotate moved it.
void reopen();
[[nodiscard]] std::uint64_t dropped_lines();

void write(Level level, std::string_view event, std::initializer_list<Field> fields);

inline void debug(std::string_view event, std::initializer_list<Field> fields = {}) {
    if (enabled(Level::Debug)) {
        write(Level::Debug, event, fields);
    }
}

inline void info(std::string_view event, std::initializer_list<Field> fields = {}) {
    write(Level::Info, event, fields);
}

inline void warn(std::string_view event, std::initializer_list<Field> fields = {}) {
    write(Level::Warn, event, fields);
}

inline void error(std::string_view event, std::initializer_list<Field> fields = {}) {
    write(Level::Error, event, fields);
}

/// Keeps warnings that traffic can trigger from flooding the log: the first passes, then one every
/// ten seconds. One per call site and thread.
class RateLimit {
public:
    /// @return how many lines were held back since the last one that passed, or -1: hold this one
    /// back
    [[nodiscard]] std::int64_t admit();

private:
    std::chrono::steady_clock::time_point next_{};
    std::int64_t held_back_ = 0;
};

/// Lets so many lines a second through: for lines that are wanted one by one, yet come as often as
/// others please.
class Allowance {
public:
    explicit Allowance(int per_second) : per_second_{per_second} {}

    /// @return how many lines were held back since the last one that passed, or -1: hold this one
    /// back
    [[nodiscard]] std::int64_t admit();

private:
    int per_second_;
    int left_ = 0;
    std::chrono::steady_clock::time_point next_{};
    std::int64_t held_back_ = 0;
};

/// The line as it would be written, without time: for tests and for the text format.
[[nodiscard]] std::string render(Format format,
                                 Level level,
                                 std::string_view event,
                                 std::initializer_list<Field> fields);

[[nodiscard]] std::string_view level_name(Level level);

}  // namespace weir::log
