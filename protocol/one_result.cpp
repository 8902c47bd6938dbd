#include "protocol/one_result.hpp"

#include "protocol/frame.hpp"
#include "protocol/message_type.hpp"

namespace weir::protocol {

bool is_one_result(ByteView reply) {
    bool has_ended = false;
    while (!reply.empty()) {
        const auto [status, header] = read_header(reply);
        if (status != FrameStatus::Complete || header.frame_bytes() > reply.size() || has_ended) {
            return false;
        }
        switch (static_cast<BackendMessage>(header.type)) {
            case BackendMessage::ParseComplete:
            case BackendMessage::BindComplete:
            case BackendMessage::ParameterDescription:
            case BackendMessage::RowDescription:
            case BackendMessage::DataRow: break;
            case BackendMessage::CommandComplete: has_ended = true; break;
            default: return false;
        }
        reply = reply.subspan(header.frame_bytes());
    }
    return has_ended;
}

}  // namespace weir::protocol
