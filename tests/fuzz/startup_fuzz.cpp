// The first bytes of a client, before anything about it is known.

#include "protocol/startup.hpp"

#include "protocol/limits.hpp"
#include "protocol/message_writer.hpp"
#include "tests/fuzz/fuzz_input.hpp"

namespace {

using namespace weir::protocol;

using weir::ByteView;
using weir::fuzz::exact_copy;
using weir::fuzz::require;

void check_complete(const StartupResult& result, ByteView bytes) {
    const StartupPacket& packet = result.packet;
    require(!result.error);
    require(packet.size >= 8 && packet.size <= kMaxStartupBytes + 4 && packet.size <= bytes.size());
    // One byte less must be waited for.
    require(read_startup(exact_copy(bytes.first(packet.size - 1))).status == FrameStatus::NeedMore);
    if (packet.kind == StartupKind::CancelRequest) {
        require(packet.cancel_secret.size() >= kMinCancelSecretBytes);
        require(packet.cancel_secret.size() <= kMaxCancelSecretBytes);
    }
    if (packet.kind != StartupKind::Startup) {
        return;
    }
    require(packet.major == kProtocolMajor);
    require(packet.find("user") != nullptr && !packet.find("user")->empty());
    require(packet.parameters.size() + packet.protocol_options.size() <= kMaxStartupParameters);
    // What we would tell a backend says the same again.
    weir::ByteWriter writer;
    write_startup(writer, packet.minor, packet.parameters);
    const StartupResult again = read_startup(writer.bytes());
    require(again.status == FrameStatus::Complete);
    require(again.packet.parameters == packet.parameters);
    require(again.packet.minor == packet.minor);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView bytes = weir::fuzz::input(data, size);
    const StartupResult result = read_startup(exact_copy(bytes));
    switch (result.status) {
        case FrameStatus::Complete: check_complete(result, bytes); break;
        case FrameStatus::NeedMore:
            require(!result.error);
            require(bytes.size() < kMaxStartupBytes + 4);
            break;
        case FrameStatus::Invalid: require(result.error.has_value()); break;
    }
    return 0;
}
