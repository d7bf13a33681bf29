"""What a driver tells of compiled kernels: registers, spills, workgroup memory, as far as it does.

    python3 statistics.py FOLDER [NAME]

FOLDER holds SPIR-V modules (*.spv), as the unit tests write them: NNDESCENT_SPIRV=FOLDER unit modules_of_a_card.
NAME: part of the device's name; the first device that tells anything by default. Prints a table in Markdown. Uses
VK_KHR_pipeline_executable_properties of the Vulkan loader and nothing else. A card of AMD's is not needed where Mesa
is: RADV_FORCE_FAMILY=navi21 compiles for one that is not there.
"""

import ctypes as c
import pathlib
import struct
import sys

EXTENSION = b"VK_KHR_pipeline_executable_properties"
UNIFORM, STORAGE, COMPUTE = 6, 7, 0x20
CAPTURE_STATISTICS = 0x40
u32, u64, p = c.c_uint32, c.c_uint64, c.c_void_p


def bytes_of(*words):
    """A structure as it lies in memory on 64-bit machines, of u32 and of parts that are bytes already."""
    return b"".join(struct.pack("=I", w) if isinstance(w, int) else w for w in words)


def at(structure):
    """The address of a structure, as 8 bytes. It is kept alive."""
    if structure is None:
        return bytes(8)
    kept.append(c.create_string_buffer(structure, len(structure)))
    return struct.pack("=Q", c.addressof(kept[-1]))


def word(value):
    """A handle, an address or a size."""
    return struct.pack("=Q", value)


kept = []
PAD = bytes(4)


class Vulkan:
    def __init__(self):
        self.loader = c.CDLL("libvulkan.so.1")

    def call(self, name, *arguments):
        code = getattr(self.loader, name)(*arguments)
        if code not in (0, 5):
            raise SystemExit(f"{name}: {code}")

    def make(self, name, structure, *parent):
        """The handle that a vkCreate function returns."""
        handle = u64()
        self.call(name, *parent, c.c_char_p(structure), None, c.byref(handle))
        return handle.value

    def all(self, name, *arguments, size, first=b""):
        """What a function lists, as blocks of `size` bytes that begin with `first`."""
        count = u32()
        self.loader[name](*arguments, c.byref(count), None)
        blocks = c.create_string_buffer((first + bytes(size - len(first))) * count.value, size * count.value)
        self.loader[name](*arguments, c.byref(count), blocks)
        return [blocks.raw[i * size : (i + 1) * size] for i in range(count.value)]


def instance(vulkan):
    application = bytes_of(0, PAD, bytes(8), bytes(8), 0, PAD, bytes(8), 0, 1 << 22 | 3 << 12)
    created = bytes_of(1, PAD, bytes(8), 0, PAD, at(application), 0, PAD, bytes(8), 0, PAD, bytes(8))
    return vulkan.make("vkCreateInstance", created)


def tells(vulkan, physical):
    listed = vulkan.all("vkEnumerateDeviceExtensionProperties", p(physical), None, size=260)
    return any(block.split(b"\0")[0] == EXTENSION for block in listed)


def device_name(vulkan, physical):
    properties = c.create_string_buffer(1024)
    vulkan.loader.vkGetPhysicalDeviceProperties(p(physical), properties)
    return properties.raw[20:276].split(b"\0")[0].decode()


def open_device(vulkan, physical):
    """A device with all features of Vulkan 1.1 to 1.3 that there are."""
    chain, features = None, []
    for kind, size in [(53, 80), (51, 208), (49, 64)]:
        features.append(c.create_string_buffer(bytes_of(kind, PAD, word(chain or 0)), size))
        chain = c.addressof(features[-1])
    all_features = c.create_string_buffer(bytes_of(1000059000, PAD, word(chain)), 240)
    vulkan.loader.vkGetPhysicalDeviceFeatures2(p(physical), all_features)
    # Robust access, the first of them, is for modules that are checked.
    all_features[16:20] = bytes(4)
    tells_all = c.create_string_buffer(bytes_of(1000269000, PAD, word(c.addressof(all_features)), 1, PAD))
    priority = at(struct.pack("=f", 1.0))
    queue = at(bytes_of(2, PAD, bytes(8), 0, 0, 1, PAD, priority))
    names = at(at(EXTENSION + b"\0"))
    created = bytes_of(3, PAD, word(c.addressof(tells_all)), 0, 1, queue, 0, PAD, bytes(8), 1, PAD, names, bytes(8))
    return vulkan.make("vkCreateDevice", created, p(physical))


def layout(vulkan, device):
    """A pipeline layout with more bindings than any kernel has."""
    sets = []
    for first in (UNIFORM, STORAGE):
        bindings = b"".join(bytes_of(i, STORAGE if i else first, 1, COMPUTE, bytes(8)) for i in range(40))
        created = bytes_of(32, PAD, bytes(8), 0, 40, at(bindings))
        sets.append(vulkan.make("vkCreateDescriptorSetLayout", created, p(device)))
    both = at(b"".join(word(s) for s in sets))
    return vulkan.make("vkCreatePipelineLayout", bytes_of(30, PAD, bytes(8), 0, 2, both, 0, PAD, bytes(8)), p(device))


def entry_point(words):
    """The name of a module's only entry point, from its OpEntryPoint."""
    place = 20
    while True:
        (first,) = struct.unpack_from("=I", words, place)
        if first & 0xFFFF == 15:
            return words[place + 12 :].split(b"\0")[0] + b"\0"
        place += 4 * (first >> 16)


def statistics(vulkan, device, pipeline_layout, words):
    """Pairs of names and values, of one kernel."""
    created = bytes_of(16, PAD, bytes(8), 0, PAD, word(len(words)), at(words))
    module = vulkan.make("vkCreateShaderModule", created, p(device))
    stage = bytes_of(18, PAD, bytes(8), 0, COMPUTE, word(module), at(entry_point(words)), bytes(8))
    created = bytes_of(29, PAD, bytes(8), CAPTURE_STATISTICS, PAD, stage, word(pipeline_layout), bytes(8), 0, PAD)
    pipeline = u64()
    vulkan.call("vkCreateComputePipelines", p(device), u64(0), u32(1), c.c_char_p(created), None, c.byref(pipeline))
    get = vulkan.loader.vkGetDeviceProcAddr
    get.restype = p
    address = get(p(device), b"vkGetPipelineExecutableStatisticsKHR")
    function = c.CFUNCTYPE(c.c_int, p, p, p, p)(address)
    asked = c.create_string_buffer(bytes_of(1000269003, PAD, bytes(8), word(pipeline.value), 0, PAD))
    count, size = u32(), 16 + 256 + 256 + 16
    function(p(device), asked, c.byref(count), None)
    blocks = c.create_string_buffer(bytes_of(1000269004, PAD, bytes(size - 8)) * count.value, size * count.value)
    function(p(device), asked, c.byref(count), blocks)
    found = []
    for i in range(count.value):
        block = blocks.raw[i * size : (i + 1) * size]
        name = block[16:272].split(b"\0")[0].decode()
        (kind,) = struct.unpack_from("=I", block, 528)
        (value,) = struct.unpack_from({0: "=I", 1: "=q", 2: "=Q", 3: "=d"}[kind], block, 536)
        found.append((name, value))
    return found


def main():
    modules = sorted(pathlib.Path(sys.argv[1]).glob("*.spv"))
    wanted = sys.argv[2].lower() if len(sys.argv) > 2 else ""
    vulkan = Vulkan()
    made = instance(vulkan)
    devices = [struct.unpack("=Q", d)[0] for d in vulkan.all("vkEnumeratePhysicalDevices", p(made), size=8)]
    for physical in devices:
        name = device_name(vulkan, physical)
        if wanted in name.lower() and tells(vulkan, physical):
            break
    else:
        print("no driver here tells anything of its kernels")
        return
    device = open_device(vulkan, physical)
    pipeline_layout = layout(vulkan, device)
    print(f"Kernels as {name} compiles them:\n")
    names = None
    for module in modules:
        found = statistics(vulkan, device, pipeline_layout, module.read_bytes())
        if names is None:
            names = [name for name, _ in found]
            print("| kernel | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
        told = dict(found)
        print(f"| {module.name.split('.')[0]} | " + " | ".join(str(told.get(name, "")) for name in names) + " |")


main()
