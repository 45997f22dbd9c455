"""The classes: names, how many Gravity Spy has of each, and what they look like."""

from __future__ import annotations

# Table 1 of S. Bahaadini et al., "Machine learning for Gravity Spy: glitch classification and
# dataset", Information Sciences 444, 172 (2018): 8,583 glitches of 22 classes. Later versions of
# the set dropped a few hundred of them. Later classes, and one that does not exist, are 0.
GRAVITY_SPY_COUNTS: dict[str, int] = {
    "1080Lines": 328,
    "1400Ripples": 232,
    "Air_Compressor": 58,
    "Blip": 1869,
    "Chirp": 66,
    "Extremely_Loud": 454,
    "Helix": 279,
    "Koi_Fish": 830,
    "Light_Modulation": 573,
    "Low_Frequency_Burst": 657,
    "Low_Frequency_Lines": 453,
    "No_Glitch": 181,
    "None_of_the_Above": 88,
    "Paired_Doves": 27,
    "Power_Line": 453,
    "Repeating_Blips": 285,
    "Scattered_Light": 459,
    "Scratchy": 354,
    "Tomte": 116,
    "Violin_Mode": 472,
    "Wandering_Line": 44,
    "Whistle": 305,
    "Blip_Low_Frequency": 0,
    "Fast_Scattering": 0,
    "Reverse_Chirp": 0,
}

CLASS_NAMES: tuple[str, ...] = tuple(GRAVITY_SPY_COUNTS)

DESCRIPTIONS: dict[str, str] = {
    "1080Lines": "String of dots near 1080 Hz across the picture; cause unknown.",
    "1400Ripples": "Ripples of up to half a second near 1400 Hz; cause unknown.",
    "Air_Compressor": "Bar near 50 Hz for up to a few seconds, while a compressor runs.",
    "Blip": "Teardrop of about 10 ms between 30 and 500 Hz; cause unknown.",
    "Chirp": "Track that rises faster and faster until two compact objects merge.",
    "Extremely_Loud": "Saturates most of the picture, such as when an actuator saturates.",
    "Helix": "Stack of small vortices from 30 to 600 Hz; linked to the calibration lasers.",
    "Koi_Fish": "Loud blip with a thick body near 30 Hz, fins beside it and a tail above.",
    "Light_Modulation": "Mound of bursts below 100 Hz with spikes above it, as the amplitude of "
    "the light's radio-frequency sidebands fluctuates.",
    "Low_Frequency_Burst": "Hump at the bottom of the picture, up to 30 Hz; scattered light among "
    "other causes.",
    "Low_Frequency_Lines": "Horizontal lines at the bottom of the picture for seconds.",
    "No_Glitch": "Noise only.",
    "None_of_the_Above": "Glitches that fit no other class.",
    "Paired_Doves": "Chirps that fall and rise in turn, as the beam splitter swings.",
    "Power_Line": "Burst of up to half a second at 60 Hz, as heavy equipment draws on the mains.",
    "Repeating_Blips": "Blips every few tenths of a second.",
    "Scattered_Light": "Arches of about a second below 100 Hz, often stacked: light scattered "
    "off a surface that swings slowly.",
    "Scratchy": "Many short scratches side by side between 50 and 400 Hz, also called blue "
    "mountains.",
    "Tomte": "Short pulse below 200 Hz, wide below and pointed above; cause unknown.",
    "Violin_Mode": "Short burst at 500 Hz or its harmonics, where the suspension fibers ring.",
    "Wandering_Line": "Thin line whose frequency wanders within seconds.",
    "Whistle": "V, U, W or arch above 100 Hz: the beat of two radio frequencies.",
    "Blip_Low_Frequency": "Blip below 250 Hz; a class since the third run.",
    "Fast_Scattering": "Short arches below 100 Hz, several per second: light scattered off a "
    "surface that shakes with the ground; a class since the third run.",
    "Reverse_Chirp": "A time-reversed chirp, made to test whether a new class is discovered.",
}
