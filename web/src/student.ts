// The student page's entry.

import { mount } from 'svelte';
import Student from './pages/Student.svelte';
import './styles/base.css';
import './styles/prose.css';

const target = document.getElementById('page');
if (!target) throw new Error('index.html has no element with the id “page”');
target.replaceChildren(); // what stood there while this script was on its way
mount(Student, { target });
