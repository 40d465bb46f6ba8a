// The instructor page's entry.

import { mount } from 'svelte';
import Instructor from './pages/Instructor.svelte';
import './styles/base.css';

const target = document.getElementById('page');
if (!target) throw new Error('instructor.html has no element with the id “page”');
target.replaceChildren(); // what stood there while this script was on its way
mount(Instructor, { target });
