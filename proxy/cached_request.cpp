#include "proxy/cached_request.hpp"

#include "protocol/frame.hpp"
#include "protocol/message_type.hpp"

#include <algorithm>
#include <utility>

namespace weir::proxy {

using protocol::FrontendMessage;

namespace {

/// Of a request: longer ones are run.
constexpr std::size_t kRequestBytesMax = std::size_t{64} * 1024;

/// Takes a batch apart, message by message.
class BatchReader {
public:
    explicit BatchReader(const DefinitionOf& definition_of) : definition_of_{definition_of} {}

    /// @return false: it is none that one result answers
    [[nodiscard]] bool take(FrontendMessage type, ByteView body) {
        switch (type) {
            case FrontendMessage::Parse: return take_parse(body);
            case FrontendMessage::Bind: return take_bind(body);
            case FrontendMessage::Describe: return take_describe(body);
            case FrontendMessage::Execute: return take_execute(body);
            case FrontendMessage::Sync: request_.shape += 'S'; return is_executed_;
            default: return false;
        }
    }

    [[nodiscard]] CachedRequest finish(std::size_t bytes) {
        request_.bytes = bytes;
        return std::move(request_);
    }

private:
    bool take_parse(ByteView body) {
        const auto parse = protocol::read_parse(body);
        if (!parse || !parse->name.empty() || !request_.shape.empty()) {
            return false;  // a name is to be remembered by the server, or refused
        }
        request_.shape += 'P';
        request_.definition = body.subspan(1);
        return define(request_.definition);
    }

    bool define(ByteView definition) {
        const std::string_view text = as_text(definition);
        const std::size_t end = text.find('\0');
        if (end == std::string_view::npos) {
            return false;
        }
        request_.text = text.substr(0, end);
        request_.types = definition.subspan(end + 1);
        return true;
    }

    /// @return whether the message is about the statement that all of the batch is about
    bool is_about(std::string_view name) {
        if (!name_) {
            name_ = name;
            const bool is_parsed = !request_.definition.empty();
            if (is_parsed) {
                return name.empty();
            }
            const auto known = definition_of_(name);
            return known && define(*known);
        }
        return *name_ == name;
    }

    bool take_bind(ByteView body) {
        auto bind = protocol::read_bind(body);
        if (!bind || !bind->portal.empty() || is_bound_ || !is_about(bind->statement)) {
            return false;
        }
        is_bound_ = true;
        request_.shape += 'B';
        request_.bind = body.subspan(bind->portal.size() + 1 + bind->statement.size() + 1);
        request_.bound = std::move(*bind);
        return true;
    }

    bool take_describe(ByteView body) {
        const auto describe = protocol::read_describe(body);
        if (!describe || is_executed_) {
            return false;
        }
        const bool is_statement = describe->kind == 'S';
        request_.shape += is_statement ? 'd' : 'D';
        return is_statement ? is_about(describe->name) : is_bound_ && describe->name.empty();
    }

    bool take_execute(ByteView body) {
        const auto execute = protocol::read_execute(body);
        if (!execute || !execute->portal.empty() || execute->max_rows != 0 || !is_bound_ ||
            is_executed_) {
            return false;
        }
        is_executed_ = true;
        request_.shape += 'E';
        return true;
    }

    const DefinitionOf& definition_of_;
    CachedRequest request_;
    std::optional<std::string_view> name_;
    bool is_bound_ = false;
    bool is_executed_ = false;
};

}  // namespace

std::optional<CachedRequest> read_cached_request(ByteView rest, const DefinitionOf& definition_of) {
    BatchReader batch{definition_of};
    const std::size_t whole = std::min(rest.size(), kRequestBytesMax);
    std::size_t at = 0;
    while (at < whole) {
        const ByteView message = rest.subspan(at);
        const auto [status, header] = protocol::read_header(message);
        if (status != protocol::FrameStatus::Complete || header.frame_bytes() > whole - at) {
            return std::nullopt;
        }
        const ByteView body = protocol::body_of(message, header);
        const auto type = static_cast<FrontendMessage>(header.type);
        at += header.frame_bytes();
        if (type == FrontendMessage::Query) {
            const auto query = protocol::read_query(body);
            if (at != header.frame_bytes() || !query) {
                return std::nullopt;
            }
            CachedRequest request;
            request.shape = CachedRequest::kSimple;
            request.text = query->sql;
            request.bytes = at;
            return request;
        }
        if (!batch.take(type, body)) {
            return std::nullopt;
        }
        if (type == FrontendMessage::Sync) {
            return batch.finish(at);
        }
    }
    return std::nullopt;
}

}  // namespace weir::proxy
