"""Simulated classes: names, numbers in Gravity Spy, and descriptions."""

from __future__ import annotations

# Counts are those of Table 1 of S. Bahaadini et al., "Machine learning for Gravity Spy: glitch
# classification and dataset", Information Sciences 444, 172 (2018): 8,583 glitches of 22 classes.
# Later versions of the set have a few hundred less. Later classes, and an imaginary one, are 0.
_CLASSES: dict[str, tuple[int, str]] = {
    "1080Lines": (328, "String of dots near 1080 Hz across the picture; cause unknown."),
    "1400Ripples": (232, "Ripples of up to half a second near 1400 Hz; cause unknown."),
    "Air_Compressor": (58, "Bar near 50 Hz for up to a few seconds, while a compressor runs."),
    "Blip": (1869, "Teardrop of about 10 ms between 30 and 500 Hz; cause unknown."),
    "Chirp": (66, "Track that rises faster and faster until two compact objects merge."),
    "Extremely_Loud": (454, "Saturates most of the picture, such as when an actuator saturates."),
    "Helix": (279, "Stack of small vortices from 30 to 600 Hz; linked to the calibration lasers."),
    "Koi_Fish": (830, "Loud blip with a thick body near 30 Hz, fins beside it and a tail above."),
    "Light_Modulation": (573, "Mound of bursts below 100 Hz with spikes, as the light fluctuates."),
    "Low_Frequency_Burst": (657, "Hump at the bottom, up to 30 Hz; often from scattered light."),
    "Low_Frequency_Lines": (453, "Horizontal lines at the bottom of the picture for seconds."),
    "No_Glitch": (181, "Noise only."),
    "None_of_the_Above": (88, "Glitches that fit no other class."),
    "Paired_Doves": (27, "Chirps that fall and rise in turn, as the beam splitter swings."),
    "Power_Line": (453, "Burst of up to half a second at 60 Hz, as heavy equipment draws power."),
    "Repeating_Blips": (285, "Blips every few tenths of a second."),
    "Scattered_Light": (459, "Arches of a second below 100 Hz: light off a swinging surface."),
    "Scratchy": (354, "Many short scratches side by side between 50 and 400 Hz: blue mountains."),
    "Tomte": (116, "Short pulse below 200 Hz, wide below and pointed above; cause unknown."),
    "Violin_Mode": (472, "Short burst at 500 Hz or its harmonics, where suspension fibers ring."),
    "Wandering_Line": (44, "Thin line whose frequency wanders within seconds."),
    "Whistle": (305, "V, U, W or arch above 100 Hz: the beat of two radio frequencies."),
    "Blip_Low_Frequency": (0, "Blip below 250 Hz; a class since the third run."),
    "Fast_Scattering": (0, "Several arches per second below 100 Hz: light off a shaking surface."),
    "Reverse_Chirp": (0, "A time-reversed chirp, made to test whether a new class is discovered."),
}

GRAVITY_SPY_COUNTS = {name: count for name, (count, _) in _CLASSES.items()}
DESCRIPTIONS = {name: description for name, (_, description) in _CLASSES.items()}
CLASS_NAMES = tuple(_CLASSES)
