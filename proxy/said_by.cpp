#include "proxy/said_by.hpp"

#include "protocol/frontend_views.hpp"

#include <algorithm>
#include <cstddef>
#include <string>

namespace weir::proxy {

namespace {

/// Of a text or of all parameters together; the rest is cut off.
constexpr std::size_t kSaidBytesMax = 2048;
constexpr std::size_t kValueBytesMax = 256;
constexpr std::string_view kTraceParent = "traceparent";

bool is_hex(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    });
}

/// Reads 00-<32 digits>-<16 digits>-01, in quotes or not.
/// @source W3C Trace Context, "traceparent Header Field Values"
void read_trace(std::string_view text, StatementDetail& detail) {
    constexpr std::size_t kTraceDigits = 32;
    constexpr std::size_t kSpanDigits = 16;
    constexpr std::size_t kVersionBytes = 3;  // "00-"
    const std::size_t key = text.find(kTraceParent);
    if (key == std::string_view::npos) {
        return;
    }
    const std::size_t begin = text.find_first_not_of(" ='\"", key + kTraceParent.size());
    if (begin == std::string_view::npos) {
        return;
    }
    const std::string_view value = text.substr(begin);
    if (value.size() < kVersionBytes + kTraceDigits + 1 + kSpanDigits ||
        value[kVersionBytes - 1] != '-' || value[kVersionBytes + kTraceDigits] != '-') {
        return;
    }
    const std::string_view trace = value.substr(kVersionBytes, kTraceDigits);
    const std::string_view span = value.substr(kVersionBytes + kTraceDigits + 1, kSpanDigits);
    if (is_hex(trace) && is_hex(span)) {
        detail.trace_id = trace;
        detail.span_id = span;
    }
}

void append_value(std::string& text, ByteView value, bool is_binary) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    const ByteView part = value.first(std::min(value.size(), kValueBytesMax));
    if (is_binary) {
        text += "\\x";
        for (const std::byte byte : part) {
            const auto bits = std::to_integer<std::size_t>(byte);
            text += kDigits[bits >> 4U];
            text += kDigits[bits & 15U];
        }
    } else {
        text += '\'';
        for (const char c : as_text(part)) {
            text.append(c == '\'' ? 2 : 1, c);
        }
        text += '\'';
    }
    text += part.size() < value.size() ? "…" : "";
}

}  // namespace

StatementDetailPtr said_by(std::string_view text, const policies::Plan& plan) {
    const bool has_trace = text.find(kTraceParent) != std::string_view::npos;
    if (!has_trace && !plan.log_parameters) {
        return nullptr;
    }
    auto said = std::make_shared<StatementDetail>();
    if (has_trace) {
        read_trace(text, *said);
    }
    if (plan.log_parameters) {
        said->text = text.substr(0, kSaidBytesMax);
    }
    return said;
}

StatementDetailPtr with_parameters(const StatementDetailPtr& said, ByteView bind) {
    const auto view = protocol::read_bind(bind);
    if (!view || view->parameters.empty()) {
        return said;
    }
    auto more = said == nullptr ? std::make_shared<StatementDetail>()
                                : std::make_shared<StatementDetail>(*said);
    const auto& formats = view->parameter_formats;
    std::string& text = more->parameters;
    for (std::size_t i = 0; i < view->parameters.size() && text.size() < kSaidBytesMax; ++i) {
        text += (i == 0 ? "$" : ", $") + std::to_string(i + 1) + " = ";
        if (!view->parameters[i]) {
            text += "NULL";
            continue;
        }
        const std::size_t format = formats.size() == 1 ? 0 : i;
        append_value(text, *view->parameters[i], format < formats.size() && formats[format] == 1);
    }
    return more;
}

StatementRequestPtr request_of(std::string_view text, const policies::Plan& plan) {
    constexpr std::size_t kTypesBytes = 2;  // none are told
    if (!plan.explain_slow || text.size() > pool::StatementRequest::kBytesMax) {
        return nullptr;
    }
    auto request = std::make_shared<pool::StatementRequest>();
    const ByteView bytes = as_bytes(text);
    request->parse.reserve(1 + bytes.size() + 1 + kTypesBytes);
    request->parse.push_back(std::byte{0});
    request->parse.insert(request->parse.end(), bytes.begin(), bytes.end());
    request->parse.insert(request->parse.end(), 1 + kTypesBytes, std::byte{0});
    return request;
}

StatementRequestPtr request_of(ByteView definition, const policies::Plan& plan) {
    if (!plan.explain_slow || definition.size() > pool::StatementRequest::kBytesMax) {
        return nullptr;
    }
    auto request = std::make_shared<pool::StatementRequest>();
    request->parse.reserve(1 + definition.size());
    request->parse.push_back(std::byte{0});
    request->parse.insert(request->parse.end(), definition.begin(), definition.end());
    request->wants_bind = true;
    return request;
}

StatementRequestPtr with_bind(const StatementRequestPtr& request, ByteView bind) {
    if (request == nullptr || bind.empty() ||
        request->parse.size() + bind.size() > pool::StatementRequest::kBytesMax) {
        return nullptr;
    }
    auto bound = std::make_shared<pool::StatementRequest>();
    bound->parse = request->parse;
    bound->bind.assign(bind.begin(), bind.end());
    return bound;
}

}  // namespace weir::proxy
