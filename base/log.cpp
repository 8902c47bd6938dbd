#include "base/log.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/async.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

namespace weir::log {

namespace {

constexpr std::size_t kQueueLines = 8192;
constexpr std::string_view kHex = "0123456789abcdef";
constexpr unsigned char kFirstPrintable = 0x20;
constexpr unsigned char kDelete = 0x7f;
constexpr std::chrono::seconds kRateLimitPeriod{10};

/// spdlog's objects and what was asked for; replaced as a whole by start().
struct Sink {
    std::shared_ptr<spdlog::logger> logger;
    // Destroyed before the logger: its thread writes what is queued and is joined while the logger
    // still lives.
    std::shared_ptr<spdlog::details::thread_pool> threads;
    Options options;
};

std::mutex& sink_mutex() {
    static std::mutex mutex;
    return mutex;
}

std::shared_ptr<Sink>& sink_slot() {
    static std::shared_ptr<Sink> sink;
    return sink;
}

std::shared_ptr<Sink> current_sink() {
    const std::lock_guard lock{sink_mutex()};
    return sink_slot();
}

std::atomic<Level>& level_slot() {
    static std::atomic<Level> level{Level::Info};
    return level;
}

void append_escaped(std::string& out, std::string_view text) {
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (byte < kFirstPrintable || byte == kDelete) {
            out += "\\u00";
            out += kHex[byte >> 4U];
            out += kHex[byte & 15U];
        } else {
            out += c;
        }
    }
}

bool is_plain(std::string_view text) {
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte <= kFirstPrintable || byte == kDelete || c == '"' || c == '\\' || c == '=') {
            return false;
        }
    }
    return !text.empty();
}

void append_quoted(std::string& out, std::string_view text) {
    out += '"';
    append_escaped(out, text);
    out += '"';
}

void append_value(std::string& out, Format format, const Field& field) {
    if (const auto* text = std::get_if<std::string_view>(&field.value()); text != nullptr) {
        if (format == Format::Text && is_plain(*text)) {
            out += *text;
        } else {
            append_quoted(out, *text);
        }
    } else if (const auto* integer = std::get_if<std::int64_t>(&field.value());
               integer != nullptr) {
        out += fmt::format("{}", *integer);
    } else {
        out += fmt::format("{:.6g}", std::get<double>(field.value()));
    }
}

std::string now_text() {
    const auto now = std::chrono::system_clock::now();
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()) %
                    std::chrono::seconds{1};
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03d}Z",
                       fmt::gmtime(std::chrono::system_clock::to_time_t(now)),
                       ms.count());
}

std::string line_with_time(Format format,
                           Level level,
                           std::string_view event,
                           std::initializer_list<Field> fields) {
    const std::string line = render(format, level, event, fields);
    if (format == Format::Json) {
        return fmt::format(R"({{"time":"{}",{})", now_text(), std::string_view{line}.substr(1));
    }
    return fmt::format("{} {}", now_text(), line);
}

}  // namespace

std::string_view level_name(Level level) {
    switch (level) {
        case Level::Trace: return "trace";
        case Level::Debug: return "debug";
        case Level::Info: return "info";
        case Level::Warn: return "warn";
        case Level::Error: return "error";
    }
    return "error";
}

std::string render(Format format,
                   Level level,
                   std::string_view event,
                   std::initializer_list<Field> fields) {
    std::string line;
    if (format == Format::Json) {
        line = fmt::format(R"({{"level":"{}","event":)", level_name(level));
        append_quoted(line, event);
        for (const Field& field : fields) {
            line += ',';
            append_quoted(line, field.key());
            line += ':';
            append_value(line, format, field);
        }
        line += '}';
        return line;
    }
    line = fmt::format("{} {}", level_name(level), event);
    for (const Field& field : fields) {
        line += ' ';
        line += field.key();
        line += '=';
        append_value(line, format, field);
    }
    return line;
}

std::string start(const Options& options) {
    auto sink = std::make_shared<Sink>();
    sink->options = options;
    try {
        spdlog::sink_ptr target;
        if (options.file.empty()) {
            target = std::make_shared<spdlog::sinks::stderr_sink_mt>();
        } else {
            target = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file);
        }
        sink->threads = std::make_shared<spdlog::details::thread_pool>(kQueueLines, 1);
        sink->logger = std::make_shared<spdlog::async_logger>(
            "weir", target, sink->threads, spdlog::async_overflow_policy::overrun_oldest);
        sink->logger->set_formatter(std::make_unique<spdlog::pattern_formatter>("%v"));
        sink->logger->set_level(spdlog::level::trace);
        sink->logger->flush_on(spdlog::level::trace);
    } catch (const spdlog::spdlog_ex& problem) {
        return problem.what();
    }
    level_slot() = options.level;
    const std::lock_guard lock{sink_mutex()};
    sink_slot() = std::move(sink);
    return {};
}

void stop() {
    std::shared_ptr<Sink> sink;
    {
        const std::lock_guard lock{sink_mutex()};
        sink.swap(sink_slot());
    }
    sink.reset();  // the thread pool's destructor writes what is queued
}

void set_level(Level level) {
    level_slot() = level;
}

bool enabled(Level level) {
    return level >= level_slot().load(std::memory_order_relaxed);
}

void reopen() {
    if (const auto sink = current_sink(); sink != nullptr && !sink->options.file.empty()) {
        Options options = sink->options;
        options.level = level_slot();
        if (const std::string problem = start(options); !problem.empty()) {
            error("log_reopen_failed", {{"reason", problem}});
        }
    }
}

std::uint64_t dropped_lines() {
    const auto sink = current_sink();
    return sink == nullptr ? 0 : sink->threads->overrun_counter();
}

void write(Level level, std::string_view event, std::initializer_list<Field> fields) {
    if (!enabled(level)) {
        return;
    }
    if (const auto sink = current_sink(); sink != nullptr) {
        sink->logger->info(line_with_time(sink->options.format, level, event, fields));
        return;
    }
    fmt::print(stderr, "{}\n", line_with_time(Format::Text, level, event, fields));
}

std::int64_t RateLimit::admit() {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) {
        ++held_back_;
        return -1;
    }
    next_ = now + kRateLimitPeriod;
    return std::exchange(held_back_, 0);
}

std::int64_t Allowance::admit() {
    const auto now = std::chrono::steady_clock::now();
    if (now >= next_) {
        next_ = now + std::chrono::seconds{1};
        left_ = per_second_;
    }
    if (left_ == 0) {
        ++held_back_;
        return -1;
    }
    --left_;
    return std::exchange(held_back_, 0);
}

}  // namespace weir::log
