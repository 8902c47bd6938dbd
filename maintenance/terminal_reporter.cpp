#include "maintenance/terminal_reporter.hpp"

#include <array>
#include <chrono>
#include <cstdio>

namespace weir::maintenance {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTerminalEvery{100};
constexpr milliseconds kPlainEvery{1'000};
/// A rate out of less would jump.
constexpr milliseconds kRateAfter{500};

std::string number(double value) {
    std::array<char, 32> text{};
    const int length = std::snprintf(text.data(), text.size(), value < 10 ? "%.1f" : "%.0f", value);
    return {text.data(), static_cast<std::size_t>(length)};
}

std::string time_left(double seconds) {
    constexpr double kMinute = 60;
    constexpr double kHour = 3600;
    if (seconds < 2 * kMinute) {
        return std::to_string(static_cast<int>(seconds + 1)) + " s left";
    }
    return seconds < 2 * kHour ? number(seconds / kMinute) + " min left"
                               : number(seconds / kHour) + " h left";
}

}  // namespace

std::string progress_line(const Progress& progress, std::int64_t first, milliseconds elapsed) {
    constexpr double kPercent = 100;
    constexpr double kMillis = 1000;
    std::string line = progress.phase + " " + std::to_string(progress.done);
    if (progress.total > 0) {
        line += "/" + std::to_string(progress.total);
    }
    line += progress.unit.empty() ? "" : " " + progress.unit;
    if (progress.total > 0) {
        const double share =
            static_cast<double>(progress.done) / static_cast<double>(progress.total);
        line += ", " + std::to_string(static_cast<int>(share * kPercent)) + " %";
    }
    const auto made = static_cast<double>(progress.done - first);
    if (elapsed >= kRateAfter && made > 0) {
        const double rate = made * kMillis / static_cast<double>(elapsed.count());
        line += ", " + number(rate) + "/s";
        if (progress.total > progress.done) {
            line += ", " + time_left(static_cast<double>(progress.total - progress.done) / rate);
        }
    }
    return line;
}

TerminalReporter::TerminalReporter(std::ostream& out,
                                   std::ostream& remarks,
                                   Form form,
                                   bool shows_statements)
    : out_{out}, remarks_{remarks}, form_{form}, shows_statements_{shows_statements} {}

TerminalReporter::~TerminalReporter() {
    clear_line();
}

void TerminalReporter::progress(const Progress& progress) {
    const TimePoint now = Clock::now();
    if (progress.phase != phase_) {
        phase_ = progress.phase;
        began_ = now;
        first_ = progress.done;
        told_ =
            form_ == Form::Plain ? now : TimePoint{};  // what is over at once is no line's worth
    }
    if (now - told_ < (form_ == Form::Terminal ? kTerminalEvery : kPlainEvery)) {
        return;
    }
    told_ = now;
    const std::string line =
        progress_line(progress, first_, std::chrono::duration_cast<milliseconds>(now - began_));
    if (form_ == Form::Terminal) {
        remarks_ << "\r\033[K" << line << std::flush;
        has_line_ = true;
    } else {
        remarks_ << line << '\n' << std::flush;
    }
}

void TerminalReporter::note(std::string_view line) {
    say(line);
}

void TerminalReporter::warn(std::string_view line) {
    has_warned_ = true;
    say(std::string{"warning: "}.append(line));
}

void TerminalReporter::statement(std::string_view sql, std::string_view locks) {
    if (!shows_statements_) {
        return;
    }
    clear_line();
    if (!locks.empty()) {
        out_ << "-- locks: " << locks << '\n';
    }
    out_ << sql << ";\n";
}

void TerminalReporter::clear_line() {
    if (has_line_) {
        remarks_ << "\r\033[K" << std::flush;
        has_line_ = false;
    }
}

void TerminalReporter::say(std::string_view line) {
    clear_line();
    remarks_ << line << '\n';
}

}  // namespace weir::maintenance
