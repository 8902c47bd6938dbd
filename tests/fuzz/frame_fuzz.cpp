// Frames and the book of expected replies. The input is a stream: frames whose type byte has the
// high bit set were sent by the client (the next bit says whether the answer is to be swallowed),
// the others came from the backend.

#include "protocol/frame.hpp"

#include "protocol/expected_replies.hpp"
#include "protocol/limits.hpp"
#include "tests/fuzz/fuzz_input.hpp"

namespace {

using namespace weir::protocol;

using weir::ByteView;
using weir::fuzz::require;

constexpr unsigned kFromClient = 0x80;

void replay(ExpectedReplies& owed, char type) {
    const auto raw = static_cast<unsigned char>(type);
    const auto plain = static_cast<char>(raw & ~kFromClient);
    const std::size_t before = owed.size();
    if ((raw & kFromClient) != 0) {
        const auto action = before % 3 == 2 ? ReplyAction::Swallow : ReplyAction::Forward;
        if (is_frontend_message(plain)) {
            owed.sent(static_cast<FrontendMessage>(plain), action);
            require(owed.size() <= before + 1);
        }
    } else if (is_backend_message(plain)) {
        (void)owed.received(static_cast<BackendMessage>(plain));
        require(owed.size() <= before);
    }
    require(owed.empty() == (owed.size() == 0));
    if (!owed.empty()) {
        (void)owed.front();
        (void)owed.at(owed.size() - 1);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    ByteView rest = weir::fuzz::input(data, size);
    ExpectedReplies owed;
    for (;;) {
        const FrameResult result = read_header(weir::fuzz::exact_copy(rest));
        if (result.status != FrameStatus::Complete) {
            require(result.status == FrameStatus::Invalid || rest.size() < kHeaderBytes);
            break;
        }
        require(result.header.length >= 4 && result.header.length <= kMaxMessageBytes);
        require(result.header.frame_bytes() == result.header.body_bytes() + kHeaderBytes);
        replay(owed, result.header.type);
        if (result.header.frame_bytes() > rest.size()) {
            break;
        }
        require(body_of(rest, result.header).size() == result.header.body_bytes());
        rest = rest.subspan(result.header.frame_bytes());
    }
    owed.clear();
    require(owed.empty());
    return 0;
}
