#include "protocol/error_reply.hpp"

#include <array>

namespace weir::protocol {

namespace {

constexpr std::array kSeverities{Severity::Error,
                                 Severity::Fatal,
                                 Severity::Panic,
                                 Severity::Warning,
                                 Severity::Notice,
                                 Severity::Debug,
                                 Severity::Info,
                                 Severity::Log};

}  // namespace

std::string_view name_of(Severity severity) {
    switch (severity) {
        case Severity::Error: return "ERROR";
        case Severity::Fatal: return "FATAL";
        case Severity::Panic: return "PANIC";
        case Severity::Warning: return "WARNING";
        case Severity::Notice: return "NOTICE";
        case Severity::Debug: return "DEBUG";
        case Severity::Info: return "INFO";
        case Severity::Log: return "LOG";
    }
    return {};
}

std::optional<Severity> parse_severity(std::string_view text) {
    for (const Severity severity : kSeverities) {
        if (name_of(severity) == text) {
            return severity;
        }
    }
    return std::nullopt;
}

ErrorFields make_error_fields(Severity severity, const Error& error) {
    ErrorFields fields;
    fields.severity = severity;
    fields.sqlstate = error.sqlstate();
    fields.message = error.what();
    return fields;
}

}  // namespace weir::protocol
