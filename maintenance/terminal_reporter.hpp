#pragma once

#include "base/clock.hpp"
#include "maintenance/job.hpp"

#include <ostream>
#include <string>

namespace weir::maintenance {

/// Tells a person at a terminal, or a file, what a job does: on a terminal the progress is one line
/// that changes, with rate and time left; elsewhere a plain line now and then. Statements are shown
/// where they are not run.
///
/// @thread one
class TerminalReporter final : public Reporter {
public:
    enum class Form : std::uint8_t {
        Terminal,  ///< one line that is written over
        Plain,
    };

    /// @param out statements of a dry run go there; @param remarks the rest
    TerminalReporter(std::ostream& out, std::ostream& remarks, Form form, bool shows_statements);
    ~TerminalReporter() override;
    TerminalReporter(const TerminalReporter&) = delete;
    TerminalReporter& operator=(const TerminalReporter&) = delete;
    TerminalReporter(TerminalReporter&&) = delete;
    TerminalReporter& operator=(TerminalReporter&&) = delete;

    void progress(const Progress& progress) override;
    void note(std::string_view line) override;
    void warn(std::string_view line) override;
    void statement(std::string_view sql, std::string_view locks) override;

    [[nodiscard]] bool has_warned() const { return has_warned_; }

private:
    void clear_line();
    void say(std::string_view line);

    std::ostream& out_;
    std::ostream& remarks_;
    Form form_;
    bool shows_statements_;
    bool has_line_ = false;
    bool has_warned_ = false;
    std::string phase_;
    TimePoint began_{};       // the phase
    std::int64_t first_ = 0;  // done when it began
    TimePoint told_{};
};

/// @return "create 3/12 partitions, 25 %, 1.2/s, 7 s left"; what is not known is left out
[[nodiscard]] std::string progress_line(const Progress& progress,
                                        std::int64_t first,
                                        std::chrono::milliseconds elapsed);

}  // namespace weir::maintenance
