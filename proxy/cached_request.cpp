#include "proxy/cached_request.hpp"

#include "protocol/frame.hpp"
#include "protocol/message_type.hpp"

#include <algorithm>

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
            case FrontendMessage::Sync: return is_executed_ && request_.shape.add('S');
            default: return false;
        }
    }

    [[nodiscard]] CachedRequest finish(std::size_t bytes) {
        request_.bytes = bytes;
        return request_;
    }

private:
    bool take_parse(ByteView body) {
        const auto parse = protocol::read_parse(body);
        if (!parse || !parse->name.empty() || !request_.shape.empty()) {
            return false;  // a name is to be remembered by the server, or refused
        }
        request_.definition = body.subspan(1);
        return request_.shape.add('P') && define(request_.definition);
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
        const auto bind = protocol::read_bind_names(body);
        if (!bind || !bind->portal.empty() || is_bound_ || !is_about(bind->statement)) {
            return false;
        }
        is_bound_ = true;
        request_.bind = bind->values;
        return request_.shape.add('B');
    }

    bool take_describe(ByteView body) {
        const auto describe = protocol::read_describe(body);
        if (!describe || is_executed_) {
            return false;
        }
        const bool is_statement = describe->kind == 'S';
        return request_.shape.add(is_statement ? 'd' : 'D') &&
               (is_statement ? is_about(describe->name) : is_bound_ && describe->name.empty());
    }

    bool take_execute(ByteView body) {
        const auto execute = protocol::read_execute(body);
        if (!execute || !execute->portal.empty() || execute->max_rows != 0 || !is_bound_ ||
            is_executed_) {
            return false;
        }
        is_executed_ = true;
        return request_.shape.add('E');
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
            request.text = query->sql;
            request.bytes = at;
            return request.shape.add('Q') ? std::optional{request} : std::nullopt;
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
