#include "protocol/statement_reference.hpp"

#include "protocol/limits.hpp"
#include "protocol/message_type.hpp"

#include <algorithm>

namespace weir::protocol {

namespace {

using Kind = StatementReference::Kind;

StatementReference just(Kind kind) {
    StatementReference reference;
    reference.kind = kind;
    return reference;
}

/// PostgreSQL cuts names at 63 bytes; nobody means anything by more than this.
constexpr std::size_t kMaxHeadBytes = 8192;

StatementReference read_names(FrontendMessage type, ByteReader body) {
    StatementReference reference;
    const std::size_t before = body.remaining();
    if (type == FrontendMessage::Bind) {
        const auto portal = body.cstring();
        if (!portal) {
            return just(Kind::Incomplete);
        }
        reference.portal = *portal;
    } else if (type != FrontendMessage::Parse) {
        const auto kind = body.u8();
        if (!kind || *kind != 'S') {
            return {};
        }
    }
    const auto name = body.cstring();
    if (!name) {
        return just(Kind::Incomplete);
    }
    reference.kind = name->empty() ? Kind::Unnamed : Kind::Named;
    reference.name = *name;
    reference.head_bytes = kHeaderBytes + before - body.remaining();
    return reference;
}

/// @param reference names a statement; is that all right, and is enough of the message there?
StatementReference check_named(const FrameHeader& header,
                               const StatementReference& reference,
                               bool is_whole) {
    const auto type = static_cast<FrontendMessage>(header.type);
    const std::size_t max = type == FrontendMessage::Parse  ? kMaxDefinitionBytes
                            : type == FrontendMessage::Bind ? kMaxMessageBytes - kMaxHeadBytes
                                                            : kMaxHeadBytes;
    if (header.body_bytes() > max || reference.head_bytes > kMaxHeadBytes) {
        return just(Kind::TooLong);
    }
    if (type == FrontendMessage::Bind) {
        return reference;
    }
    if (!is_whole) {
        return just(Kind::Incomplete);
    }
    const bool has_rest = reference.head_bytes != header.frame_bytes();
    if (type != FrontendMessage::Parse && has_rest) {
        return {};  // malformed: PostgreSQL refuses it before it looks at the name
    }
    return reference;
}

}  // namespace

StatementReference read_statement_reference(const FrameHeader& header, ByteView rest) {
    const auto type = static_cast<FrontendMessage>(header.type);
    if (type != FrontendMessage::Parse && type != FrontendMessage::Bind &&
        type != FrontendMessage::Describe && type != FrontendMessage::Close) {
        return {};
    }
    if (rest.size() == kHeaderBytes && header.body_bytes() > 0) {
        return just(Kind::Incomplete);
    }
    const ByteView there = rest.first(std::min(rest.size(), header.frame_bytes()));
    const bool is_whole = there.size() == header.frame_bytes();
    StatementReference reference = read_names(type, ByteReader{there.subspan(kHeaderBytes)});
    if (reference.kind == Kind::Incomplete) {
        const Kind kind = is_whole ? Kind::None : Kind::Incomplete;
        return just(there.size() > kMaxHeadBytes ? Kind::TooLong : kind);
    }
    if (reference.kind != Kind::Named) {
        const bool is_awaited = reference.kind == Kind::Unnamed && type == FrontendMessage::Parse &&
                                !is_whole && header.body_bytes() <= kMaxUnnamedBytes;
        return is_awaited ? just(Kind::Incomplete) : reference;
    }
    return check_named(header, reference, is_whole);
}

}  // namespace weir::protocol
